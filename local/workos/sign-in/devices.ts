import { createHash, randomInt } from 'node:crypto';
import { newSecret } from '../state/identifiers.ts';
import { oauthRefusal } from '../state/refusal.ts';
import type { Vault } from '../state/vault.ts';

export interface DeviceOptions {
  readonly expirySeconds: number;
  /** Initial polling interval of a device, in seconds. */
  readonly intervalSeconds: number;
}

export interface Started {
  readonly deviceCode: string;
  readonly userCode: string;
}

/** Decision of the user. */
export type Decision =
  | { readonly outcome: 'approved'; readonly userId: string; readonly organizationId?: string | undefined }
  | { readonly outcome: 'denied' };

interface Device {
  readonly userCode: string;
  readonly decision?: Decision | undefined;
  readonly intervalSeconds: number;
  /** Time of the device's last poll, in milliseconds since the epoch. 0 before the first. */
  readonly asked: number;
  readonly expiresAt: number;
}

/** Letters of user codes, without vowels and look-alikes, as RFC 8628, section 6.1 recommends. */
const letters = 'BCDFGHJKLMNPQRSTVWXZ';
/** Seconds an expired code is remembered, so that its device gets the reason. */
const rememberedSeconds = 3600;
/** Seconds added to the interval of a device that polls too often: RFC 8628, section 3.5. */
const slowDownSeconds = 5;

/** Devices that wait until a user signs in for them in a browser. https://workos.com/docs/authkit/cli-auth */
export class Devices {
  readonly #vault: Vault;
  readonly #options: DeviceOptions;

  constructor(vault: Vault, options: DeviceOptions) {
    this.#vault = vault;
    this.#options = options;
  }

  get options(): DeviceOptions {
    return this.#options;
  }

  start(): Started {
    const deviceCode = newSecret();
    const userCode = `${word()}-${word()}`;
    const key = digest(deviceCode);
    this.#vault.put(`device-user-code:${userCode}`, key, this.#options.expirySeconds);
    this.#keep(key, {
      userCode,
      intervalSeconds: this.#options.intervalSeconds,
      asked: 0,
      expiresAt: Date.now() + this.#options.expirySeconds * 1000,
    });
    return { deviceCode, userCode };
  }

  /** Tells whether a device waits with this code. */
  awaits(userCode: string): boolean {
    return this.#vault.get(`device-user-code:${normal(userCode)}`) !== undefined;
  }

  /** Records the user's decision. False when no device waits with this code any more. */
  decide(userCode: string, decision: Decision): boolean {
    const key = this.#vault.take<string>(`device-user-code:${normal(userCode)}`);
    const device = key === undefined ? undefined : this.#vault.get<Device>(`device:${key}`);
    if (key === undefined || device === undefined) return false;
    this.#keep(key, { ...device, decision });
    return true;
  }

  /**
   * Returns the user who signed in for the device, and consumes the code.
   * @throws Refusal of RFC 8628: authorization_pending, slow_down, access_denied, expired_token; invalid_grant for an unknown code
   */
  redeem(deviceCode: string, now = Date.now()): { readonly userId: string; readonly organizationId?: string | undefined } {
    const key = digest(deviceCode);
    const device = this.#vault.get<Device>(`device:${key}`);
    if (device === undefined) throw oauthRefusal('invalid_grant', 'The device code is invalid or was used before.');
    if (now >= device.expiresAt) throw oauthRefusal('expired_token', 'The device code has expired.');
    if (device.decision === undefined) {
      const tooSoon = now - device.asked < device.intervalSeconds * 1000;
      this.#keep(key, { ...device, asked: now, intervalSeconds: device.intervalSeconds + (tooSoon ? slowDownSeconds : 0) });
      throw tooSoon
        ? oauthRefusal('slow_down', 'The device asks too often; it waits five seconds longer from now on.')
        : oauthRefusal('authorization_pending', 'The user has not finished signing in.');
    }
    this.#vault.delete(`device:${key}`);
    if (device.decision.outcome === 'denied') throw oauthRefusal('access_denied', 'The user denied the request.');
    return device.decision;
  }

  #keep(key: string, device: Device): void {
    this.#vault.put(`device:${key}`, device, Math.max(0, device.expiresAt - Date.now()) / 1000 + rememberedSeconds);
  }
}

function word(): string {
  return Array.from({ length: 4 }, () => letters[randomInt(letters.length)]).join('');
}

function normal(userCode: string): string {
  const plain = userCode.toUpperCase().replaceAll(/[^A-Z]/g, '');
  return `${plain.slice(0, 4)}-${plain.slice(4)}`;
}

function digest(value: string): string {
  return createHash('sha256').update(value).digest('base64url');
}
