import type { CheckResult } from '../health/doctor.js';
import type { Clock } from '../ports/clock.js';
import type { HostedProjects } from '../ports/hosting.js';
import type { UpstashAccount } from '../ports/upstash-account.js';

/** Variables by name. Unset variables have no entry. */
export type Values = Readonly<Record<string, string>>;

/** A variable that only the operator knows. */
export interface Question {
  readonly variable: string;
  /** What the value is, and where to find it. */
  readonly label: string;
  readonly example?: string;
  /** Not shown while it is typed. */
  readonly secret?: true;
  /** May stay empty. */
  readonly optional?: true;
  /** Whether the question is asked; always by default. */
  readonly when?: (values: Values) => boolean;
}

/** A part of a deployment that can be set up or left out. */
export interface Service {
  readonly id: string;
  readonly title: string;
  /** Its purpose, in one line. */
  readonly about: string;
  readonly questions: readonly Question[];
  /** Variables that are fetched or generated if missing, and belong to this service only. */
  readonly made: readonly string[];
  /** Each of `made` works without the others. Default: of a service without questions, the first is what it consists of. */
  readonly independent?: true;
  /** Names of doctor's checks of this service. */
  readonly checks: readonly string[];
  /** `needed`: required; `offered`: the operator is asked; `automatic`: generated unless withheld. */
  readonly kind: 'needed' | 'offered' | 'automatic';
}

/** Asks the operator questions. Every method throws `interrupted` when the question is cancelled. */
export interface Prompter {
  /** The typed text, trimmed; empty for none. Asks again, with the problem, until `problem` returns null. */
  text(question: Question, present: string, problem: (text: string) => string | null): Promise<string>;
  confirm(words: string, byDefault: boolean): Promise<boolean>;
  select(words: string, options: readonly Choice[]): Promise<string>;
}

export interface Choice {
  readonly value: string;
  readonly label: string;
  readonly hint?: string;
}

/** Sources of values that need not be typed. Errors are AppErrors. */
export interface Sources {
  account(values: Values): Pick<UpstashAccount, 'databases' | 'restToken'>;
  projects(values: Values): HostedProjects;
  /** The signing keys of the queue that QSTASH_TOKEN belongs to. */
  queueSigningKeys(values: Values): Promise<{ readonly current: string; readonly next: string }>;
  /** A fresh Ed25519 key, base64 of PKCS#8. */
  generateSigningKey(): string;
  /** The existing age identity or a new one, with its recipients. */
  ageIdentity(): Promise<{
    readonly recipients: readonly string[];
    readonly fresh: string | null;
    readonly file: string;
  }>;
}

export interface SetupPorts {
  readonly clock: Clock;
  readonly sources: Sources;
  /** Null without a terminal: then services whose values are not given are left out. */
  readonly prompter: Prompter | null;
  /** Whether there is no setup yet. Without a prompter, an existing setup gets no new keys: its owner may have chosen to have none. */
  readonly isNew: boolean;
  /** What is wrong with a value, as text to follow the variable's name; null if it is valid. */
  readonly problemOf: (variable: string, value: string) => string | null;
  /** Runs doctor's checks with these names. */
  readonly probe: (values: Values, names: readonly string[]) => Promise<readonly CheckResult[]>;
  /** What safety is lost without a service. */
  readonly costOf: (service: Service) => string | null;
  readonly print: (event: SetupEvent) => void;
}

export type SetupEvent =
  | { readonly kind: 'begins'; readonly service: Service }
  | { readonly kind: 'checked'; readonly result: CheckResult }
  | { readonly kind: 'left-out'; readonly service: Service };

/** The result of the setup. */
export interface Setup {
  readonly values: Values;
  /** A new identity, to be written to `file`; null if none was generated. */
  readonly identity: { readonly secret: string; readonly file: string } | null;
  /** The last result of each check. */
  readonly checks: readonly CheckResult[];
  readonly leftOut: readonly Service[];
}
