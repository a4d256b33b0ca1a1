import { Sign } from './badge.js';
import { Words } from './words.js';

interface Failure {
  readonly message: string;
  readonly hint: string;
  readonly code: string;
}

interface Props {
  readonly title: string;
  readonly error: Failure;
  /** What tries it again, where there is something to try. */
  readonly onRetry?: () => void;
}

/** What went wrong and what to do about it. Announced at once. */
export function Problem({ title, error, onRetry }: Props) {
  return (
    <div class="problem" role="alert">
      <p class="problem-title">
        <Sign tone="bad" /> {title}
      </p>
      <p>
        <Words text={error.message} /> <code>{error.code}</code>
      </p>
      {error.hint !== '' && (
        <p class="hint">
          <Words text={error.hint} />
        </p>
      )}
      {onRetry !== undefined && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}
