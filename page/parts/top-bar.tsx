import type { ComponentChildren } from 'preact';
import type { Deployment } from '../api/types.js';

interface Props {
  /** Left out before somebody is signed in. */
  readonly deployment?: Deployment | undefined;
  readonly children: ComponentChildren;
}

export function TopBar({ children, deployment }: Props) {
  return (
    <header class="top">
      <p class="product">
        soulcaster-backup
        {deployment !== undefined && <span class="deployment"> {databaseName(deployment)}</span>}
      </p>
      <div class="buttons">{children}</div>
    </header>
  );
}

/** `production, eu1-x.upstash.io`: whose data it is about. */
export function databaseName({ database, label }: Deployment): string {
  return [label, database ?? 'no database'].filter((each) => each !== null).join(', ');
}
