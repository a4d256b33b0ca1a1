import { beforeEach, describe, expect, it } from '@jest/globals';
import fc, { anyCharacter } from '../support/fast-check.js';
import type { WebhookRequest, WebhookVerifier } from '../../lib/ports/crypto.js';
import type { ManualClock } from '../support/clocks.js';

/** A verifier, its clock, and signers with its secret and with another one. */
export interface WebhookRig {
  readonly verifier: WebhookVerifier;
  readonly clock: ManualClock;
  /** The value of `webhook-signature`, for a time in seconds since the epoch. */
  sign(id: string, seconds: number, body: string): string;
  /** The same with another secret. */
  forge(id: string, seconds: number, body: string): string;
}

const HEADERS = ['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const;

/** The contract of every WebhookVerifier. */
export function webhookVerifierContract(name: string, open: () => WebhookRig): void {
  describe(`${name} as a WebhookVerifier`, () => {
    let rig: WebhookRig;
    beforeEach(() => {
      rig = open();
    });

    const seconds = (): number => Math.floor(rig.clock.now() / 1000);
    const signed = (body: string, id = 'msg_1', at = seconds()): WebhookRequest => ({
      body,
      headers: { 'webhook-id': id, 'webhook-timestamp': String(at), 'webhook-signature': rig.sign(id, at, body) },
    });
    const changed = (changes: Readonly<Record<string, string>>, body = '{}'): WebhookRequest => {
      const request = signed(body);
      return { body: request.body, headers: { ...request.headers, ...changes } };
    };
    const refusal = (code: string): object => expect.objectContaining({ code, name: 'AppError' });

    it('returns the id of any signed request, whatever else the headers contain', () => {
      const ids = fc.stringMatching(/^[A-Za-z0-9_:/+-]{1,80}$/);
      fc.assert(
        fc.property(ids, fc.string({ unit: anyCharacter }), (id, body) => {
          const { headers } = signed(body, id);
          return rig.verifier.verify({ body, headers: { ...headers, accept: '*/*' } }) === id;
        }),
      );
    });

    it('verifies the bytes of a body, not its meaning', () => {
      const { headers } = signed('{"a":1}');
      expect(() => rig.verifier.verify({ headers, body: '{"a": 1}' })).toThrow(refusal('signature-wrong'));
      expect(() => rig.verifier.verify({ headers, body: '' })).toThrow(refusal('signature-wrong'));
    });

    it('refuses a request signed with another secret', () => {
      const forged = rig.forge('msg_1', seconds(), '{}');
      expect(() => rig.verifier.verify(changed({ 'webhook-signature': forged }))).toThrow(refusal('signature-wrong'));
    });

    it.each(['webhook-id', 'webhook-timestamp'] as const)('covers %s', (header) => {
      const other = header === 'webhook-id' ? 'msg_2' : String(seconds() - 1);
      expect(() => rig.verifier.verify(changed({ [header]: other }))).toThrow(refusal('signature-wrong'));
    });

    it.each(HEADERS)('refuses a request without %s', (header) => {
      const { body, headers } = signed('{}');
      const rest = Object.fromEntries(Object.entries(headers).filter(([other]) => other !== header));
      expect(() => rig.verifier.verify({ body, headers: rest })).toThrow(refusal('signature-missing'));
      expect(() => rig.verifier.verify(changed({ [header]: '' }))).toThrow(refusal('signature-missing'));
    });

    it.each([
      ['webhook-timestamp', ['now', '-1', '1e9', '1.5', ' 1', '1763850000abc', '9'.repeat(20)]],
      ['webhook-signature', ['v1', 'v1,', 'v2,abc', 'v1a,abc', 'abc', `v1,${'A'.repeat(42)}==`]],
      ['webhook-id', ['a b', 'ä', 'x'.repeat(257)]],
    ] as const)('refuses %s in another form', (header, values) => {
      for (const value of values) {
        expect(() => rig.verifier.verify(changed({ [header]: value }))).toThrow(refusal('signature-missing'));
      }
    });

    it('refuses an id with a full stop, which would let one signature stand for two requests', () => {
      expect(() => rig.verifier.verify(signed('{}', 'a.1763776800'))).toThrow(refusal('signature-missing'));
    });

    it('finds the valid one among several signatures', () => {
      const at = seconds();
      const good = rig.sign('msg_1', at, '{}');
      const bad = rig.forge('msg_1', at, '{}');
      for (const all of [`${good} ${bad}`, `${bad} ${good}`, `v1a,abc ${good}`, `nonsense  ${bad} ${good} `]) {
        expect(rig.verifier.verify(changed({ 'webhook-signature': all }))).toBe('msg_1');
      }
    });

    it('accepts a signature up to five minutes old, or five minutes ahead, by its clock', async () => {
      const request = signed('{}');
      await rig.clock.advance(300_000);
      expect(rig.verifier.verify(request)).toBe('msg_1');
      await rig.clock.advance(1_000);
      expect(() => rig.verifier.verify(request)).toThrow(refusal('signature-stale'));
      expect(rig.verifier.verify(signed('{}', 'msg_1', seconds() + 300))).toBe('msg_1');
      expect(() => rig.verifier.verify(signed('{}', 'msg_1', seconds() + 301))).toThrow(refusal('signature-stale'));
    });

    it('reports an old request as wrong, not stale, when it was not signed with the secret', () => {
      const at = seconds() - 1_000;
      const headers = { 'webhook-timestamp': String(at), 'webhook-signature': rig.forge('msg_1', at, '{}') };
      expect(() => rig.verifier.verify(changed(headers))).toThrow(refusal('signature-wrong'));
    });
  });
}
