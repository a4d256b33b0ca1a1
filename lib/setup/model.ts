import type { CheckResult } from '../health/doctor.js';
import type { Clock } from '../ports/clock.js';
import type { HostedProjects } from '../ports/hosting.js';
import type { UpstashAccount } from '../ports/upstash-account.js';

/** Variables by name. What is empty is not there. */
export type Values = Readonly<Record<string, string>>;

/** A variable that only the operator knows. */
export interface Question {
  readonly variable: string;
  /** What it is, and where to find it. */
  readonly label: string;
  readonly example?: string;
  /** Never shown while it is typed. */
  readonly secret?: true;
  /** May stay empty. */
  readonly optional?: true;
  /** Whether it is asked at all; default always. */
  readonly when?: (values: Values) => boolean;
}

/** One thing that can be set up, or left out. */
export interface Service {
  readonly id: string;
  readonly title: string;
  /** What it is for, in a line. */
  readonly about: string;
  readonly questions: readonly Question[];
  /** Variables that are fetched or made where they are missing, and belong to this service alone. */
  readonly made: readonly string[];
  /** What doctor calls the checks that try it. */
  readonly checks: readonly string[];
  /** `needed`: nothing works without; `offered`: asked for; `automatic`: made unless it is withheld. */
  readonly kind: 'needed' | 'offered' | 'automatic';
}

/** Somebody who answers. Each throws `interrupted` when the question is broken off. */
export interface Asker {
  /** The text that was typed, without what stands around it; empty for none. `problem` is told until there is none. */
  text(question: Question, present: string, problem: (text: string) => string | null): Promise<string>;
  agree(words: string, byDefault: boolean): Promise<boolean>;
  choose(words: string, options: readonly Choice[]): Promise<string>;
}

export interface Choice {
  readonly value: string;
  readonly label: string;
  readonly hint?: string;
}

/** Where values come from that need not be typed. Errors are AppErrors. */
export interface Sources {
  account(values: Values): Pick<UpstashAccount, 'databases' | 'restToken'>;
  projects(values: Values): HostedProjects;
  /** What the queue of this token signs with. */
  signingKeys(values: Values): Promise<{ readonly current: string; readonly next: string }>;
  /** A fresh Ed25519 key, base64 of PKCS#8. */
  signingKey(): string;
  /** The identity that is there already, or a fresh one, with its public halves. */
  ageIdentity(): Promise<{
    readonly recipients: readonly string[];
    readonly fresh: string | null;
    readonly file: string;
  }>;
}

export interface SetupPorts {
  readonly clock: Clock;
  readonly sources: Sources;
  /** Null where nobody is there: then what is not given is left out. */
  readonly asker: Asker | null;
  /** What is wrong with a value, behind the variable's name; null when nothing is. */
  readonly problemOf: (variable: string, value: string) => string | null;
  /** Makes the checks of doctor that have these names. */
  readonly probe: (values: Values, names: readonly string[]) => Promise<readonly CheckResult[]>;
  /** What it costs in safety to leave a service out. */
  readonly costOf: (service: Service) => string | null;
  readonly print: (event: SetupEvent) => void;
}

export type SetupEvent =
  | { readonly kind: 'begins'; readonly service: Service }
  | { readonly kind: 'checked'; readonly result: CheckResult }
  | { readonly kind: 'left-out'; readonly service: Service; readonly cost: string | null };

/** What came of it. */
export interface Setup {
  readonly values: Values;
  /** An identity that was made, to be written into `identityFile`; null when none was. */
  readonly identity: { readonly secret: string; readonly file: string } | null;
  /** The last result of each check. */
  readonly checks: readonly CheckResult[];
  readonly leftOut: readonly Service[];
}
