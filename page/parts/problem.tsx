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
  /** Retries the call; without it there is no button. */
  readonly onRetry?: () => void;
}

/** An error: what happened and what to do. Screen readers announce it at once. */
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
