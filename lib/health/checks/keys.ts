import { randomBytes } from 'node:crypto';
import { acceptsOthers } from '../../control/signature.js';
import { AppError, toAppError } from '../../errors.js';
import { counted } from '../../formats.js';
import type { Encryptor, Signer } from '../../ports/crypto.js';
import { fail, ok, skipped, warn, type CheckGroup, type Observation } from '../doctor.js';

const PROBE_BYTES = 64;
/** How many objects are named. */
const MAX_NAMED = 3;
const RENEWAL_MS = 120_000;
const NO_FILE = fail(
  'the file named in BACKUP_AGE_IDENTITY_FILE cannot be read or contains no identity: encrypted snapshots cannot be restored here',
  'Correct the path, copy the file from where the identity is kept, or remove the variable if this machine should have no identity.',
);

const UNREAD_SECOND =
  'If only the second store were left, restores would be refused: make the store readable here, or set the key or identity that opens its list, then run `npx soulcaster-backup erasures list --env-file .env`.';

/**
 * Encrypts a probe and decrypts it again. `open` may throw `config` for invalid keys. `lacksFile`: whether the named identity
 * file contains no identity.
 */
export function encryptionChecks(open: () => Encryptor, lacksFile: boolean): CheckGroup {
  return [{ name: 'encryption', run: () => (lacksFile ? Promise.resolve(NO_FILE) : tryEncryption(open())) }];
}

/**
 * Reads the erasure list of both stores: restores are refused where it cannot be read. `load` passes the reason why the second
 * store's list was not read to its argument.
 */
export function erasuresCheck(load: (onUnread: (why: string) => void) => Promise<readonly unknown[]>): CheckGroup {
  return [{ name: 'erasures', run: () => tryErasures(load) }];
}

async function tryErasures(load: Parameters<typeof erasuresCheck>[0]): Promise<Observation> {
  const unread: string[] = [];
  try {
    const entries = await load((why) => unread.push(why));
    if (unread.length > 0)
      return warn(`the erasure list of the second store was not read: ${unread.join('; ')}`, UNREAD_SECOND);
    if (entries.length === 0) return ok('the erasure list is empty');
    return ok(`read the erasure list, which has ${entries.length} ${entries.length === 1 ? 'entry' : 'entries'}`);
  } catch (error) {
    const { code, hint, message } = toAppError(error);
    if (code === 'wrong-key' || code === 'damaged') return fail(`${message}: restores and drills are refused`, hint);
    return warn(`the erasure list was not read: ${message}`, hint);
  }
}

/** The newest snapshot whose manifest can be read, and its signature as this machine finds it. */
export interface NewestSnapshot {
  readonly id: string;
  readonly isSigned: boolean;
  /** Whether it is trusted with the keys that are set here. */
  readonly isAccepted: boolean;
}

/**
 * Signs a probe and verifies the signature, then compares the keys with the signature of the newest snapshot in the store.
 * `open` may throw `config` for invalid keys, or keys that are no pair. `newest`: null where the store is not compared; returns
 * null where there is no snapshot, or the store fails, which its own check reports.
 */
export function signatureChecks(
  open: () => Signer,
  newest: ((signer: Signer) => Promise<NewestSnapshot | null>) | null,
): CheckGroup {
  const run = async (): Promise<Observation> => {
    const signer = open();
    const tried = trySigning(signer);
    if (newest === null || tried.status === 'fail') return tried;
    const found = await newest(signer);
    return found === null ? tried : compareSignature(found, signer.accepts !== '', tried);
  };
  return [{ name: 'signature', run }];
}

function compareSignature(
  { id, isAccepted, isSigned }: NewestSnapshot,
  hasKeys: boolean,
  tried: Observation,
): Observation {
  if (!hasKeys) {
    if (!isSigned) return tried;
    return fail(
      `no key is set here, but the newest snapshot, ${id}, is signed: the deployment ignores everything that this machine writes`,
      `Set BACKUP_SIGNING_KEY to the key of the deployment. ${UNTIL_KEYS}`,
    );
  }
  if (isAccepted)
    return tried.status === 'ok'
      ? ok(`${tried.detail}; the newest snapshot, ${id}, is signed with an accepted key`)
      : tried;
  if (!isSigned)
    return warn(
      `the newest snapshot, ${id}, is not signed, so it is not trusted here`,
      'If it was taken before the key was set, adopt it: `npx soulcaster-backup snapshots adopt --unsigned --reason TEXT --env-file .env`. Otherwise set BACKUP_SIGNING_KEY where it was taken.',
    );
  return fail(
    `the newest snapshot, ${id}, is signed with a key that is not accepted here: this machine and the deployment ignore what the other writes`,
    `Set BACKUP_SIGNING_KEY to the key of the deployment, or add the public key of that time to BACKUP_SIGNING_PUBLIC_KEY. ${UNTIL_KEYS} If the other key is lost, take a snapshot with this one: \`npx soulcaster-backup backup --env-file .env\`.`,
  );
}

export const NO_KEYS = 'no key: manifests are not signed';
const UNTIL_KEYS = 'Until then end no lease and change nothing in the store from here.';

/** What still has the signature of an earlier key, in all stores. */
interface SignedEarlier {
  readonly objects: readonly string[];
  readonly snapshots: readonly string[];
}

/**
 * During a rotation of the signing key: `renew` signs again what an earlier key signed and returns what still needs that key.
 * Without it, restores would be refused because of the erasure list.
 */
export function earlierKeyCheck(open: () => Signer, renew: () => Promise<SignedEarlier>): CheckGroup {
  return [{ name: 'earlier-key', limitMs: RENEWAL_MS, run: () => tryRenewal(open(), renew) }];
}

async function tryRenewal(signer: Signer, renew: () => Promise<SignedEarlier>): Promise<Observation> {
  if (!acceptsOthers(signer)) return ok('one signing key is accepted');
  if (signer.sign(randomBytes(PROBE_BYTES)) === null) {
    return skipped('not tried: only the private key can sign again what an earlier key signed');
  }
  const { objects, snapshots } = await renew();
  if (objects.length > 0) {
    const more = objects.length > MAX_NAMED ? `, and ${objects.length - MAX_NAMED} more` : '';
    return warn(
      `${counted(objects.length, 'control object')} could not be signed again with BACKUP_SIGNING_KEY: ${objects.slice(0, MAX_NAMED).join(', ')}${more}`,
      'Keep the earlier public key in BACKUP_SIGNING_PUBLIC_KEY: without it these objects are ignored, and restores may be refused. Run `npx soulcaster-backup doctor --env-file .env` with credentials that may write to the store.',
    );
  }
  const others =
    snapshots.length === 0
      ? 'no snapshot has that of an earlier key, so BACKUP_SIGNING_PUBLIC_KEY is no longer needed'
      : `${counted(snapshots.length, 'snapshot')}, the newest ${snapshots.at(-1) ?? ''}, would be untrusted without the earlier public key`;
  return ok(`all control state has a signature of BACKUP_SIGNING_KEY; ${others}`);
}

async function tryEncryption(encryptor: Encryptor): Promise<Observation> {
  const recipients = encryptor.recipients.length;
  if (recipients === 0) {
    return warn(
      'an identity is set, but no recipients: new snapshots are not encrypted',
      'Set BACKUP_AGE_RECIPIENTS to the public key of BACKUP_AGE_IDENTITY. If encryption was turned off here, `npx soulcaster-backup doctor --env-file .env --deployment` says whether the functions still encrypt.',
    );
  }
  const probe = randomBytes(PROBE_BYTES);
  const encrypted = await encryptor.encrypt(probe);
  if (!encryptor.canOpen)
    return ok(`encrypted a probe to ${recipients} recipients; nothing here can decrypt it, as it should be`);
  try {
    if (probe.equals(await encryptor.open(encrypted, encryptor.suffix)))
      return ok('encrypted a probe and decrypted it again');
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'wrong-key') throw error;
    return fail(
      'the identity matches none of the recipients: new snapshots could not be restored with it',
      'Set BACKUP_AGE_IDENTITY to the secret key of one of BACKUP_AGE_RECIPIENTS, or add its public key to them.',
    );
  }
  return fail('the decrypted probe differs from the original', 'Report this as a defect.');
}

function trySigning(signer: Signer): Observation {
  if (signer.accepts === '') return skipped(NO_KEYS);
  const probe = randomBytes(PROBE_BYTES);
  const signature = signer.sign(probe);
  if (signature === null) {
    return warn(
      'signatures can be verified here, but not made: backup, restore, verification and guard do not work',
      'Set BACKUP_SIGNING_KEY to the private key where runs are worked on; the public key is enough for reading and --dry-run.',
    );
  }
  if (signer.verify(probe, signature) === true) return ok('signed a probe and verified the signature');
  return fail('a signature that was just made is not accepted', 'Set a new BACKUP_SIGNING_KEY.');
}

/** A secret that callers must send. `problem` is the configuration's error, or null. */
interface AccessSecret {
  readonly variable: string;
  readonly value: string;
  readonly problem: AppError | null;
}

/** Checks that a secret is valid and is not used for another purpose, too. */
export function secretChecks(secret: AccessSecret, others: readonly string[]): CheckGroup {
  const run = () => {
    if (secret.problem !== null) return Promise.reject(secret.problem);
    if (others.includes(secret.value)) {
      return Promise.resolve(
        warn(
          'another secret has the same value',
          'Use a different value for each: a leak of one must not expose the other.',
        ),
      );
    }
    return Promise.resolve(ok(`${secret.variable} is set, ${secret.value.length} characters long`));
  };
  return [{ name: secret.variable === 'CRON_SECRET' ? 'cron-secret' : 'admin-token', run }];
}

const LOCAL_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|0\.0\.0\.0|.*\.local|.*\.localhost)$/;

/** Checks whether the queue can reach PUBLIC_URL. Only warns: on a developer's machine it cannot. */
export function publicUrlChecks(text: string): CheckGroup {
  const evaluate = () => {
    if (!URL.canParse(text))
      return warn('PUBLIC_URL is not a URL', 'Set it to https:// and the host of the deployment.');
    const { protocol, hostname } = new URL(text);
    const hint = 'QStash delivers to public https addresses only: set PUBLIC_URL to that of the deployment.';
    if (LOCAL_HOST.test(hostname)) return warn(`PUBLIC_URL names this machine (${hostname})`, hint);
    return protocol === 'https:'
      ? ok(`PUBLIC_URL names ${hostname} over https`)
      : warn('PUBLIC_URL is not https', hint);
  };
  return [{ name: 'public-url', run: () => Promise.resolve(evaluate()) }];
}
