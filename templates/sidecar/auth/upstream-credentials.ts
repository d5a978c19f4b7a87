import type { Caller } from '../../runtime/assertion.ts';
import { WatchedFile } from '../http/watched-file.ts';
import type { Settings } from '../settings/settings.ts';
import { AssertionSigner } from './assertion-signer.ts';

/** The credentials the sidecar sends to the API, in place of the client's own credentials. */
export interface UpstreamCredentials {
  /** Headers for a call on behalf of `caller`. */
  readonly headersFor: (caller: Caller, requestId: string) => Promise<Record<string, string>>;
  /** Headers for reading the API's document, without a caller. */
  readonly ownHeaders: () => Promise<Record<string, string>>;
  /** Lower-case names of headers that a caller must not set. */
  readonly reserved: readonly string[];
}

export async function upstreamCredentials(settings: Settings): Promise<UpstreamCredentials> {
  const { upstreamAuth } = settings;
  switch (upstreamAuth.mode) {
    case 'assertion': {
      const signer = await AssertionSigner.create(settings.tenantUid);
      await signer.publish(upstreamAuth.jwksFile);
      return {
        headersFor: async (caller, requestId) => ({ authorization: `Bearer ${signer.sign(caller, requestId)}` }),
        ownHeaders: async () => ({}),
        reserved: [],
      };
    }
    case 'static': {
      const secret = new WatchedFile(upstreamAuth.secretFile, (text) => text.trim());
      const headers = async () => ({ [upstreamAuth.header]: await secret.current() });
      return { headersFor: headers, ownHeaders: headers, reserved: [upstreamAuth.header] };
    }
    case 'none':
      return { headersFor: async () => ({}), ownHeaders: async () => ({}), reserved: [] };
  }
}
