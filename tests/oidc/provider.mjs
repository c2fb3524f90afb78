// A real OpenID Connect provider (oidc-provider) for tests: JWT access tokens by client credentials, with groups.
//
// Arguments: port, algorithm (RS256, ES256 ...), key id, seconds by which its clock is wrong. Each start has a new key.

import { generateKeyPairSync } from 'node:crypto';

const [port, algorithm, keyId, wrong] = process.argv.slice(2);
const right = Date.now;
Date.now = () => right() + Number(wrong) * 1000;

const { default: Provider } = await import('oidc-provider');

const issuer = `http://127.0.0.1:${port}`;
const pair = algorithm.startsWith('ES')
  ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
  : generateKeyPairSync('rsa', { modulusLength: 2048 });
const key = { ...pair.privateKey.export({ format: 'jwk' }), kid: keyId, use: 'sig', alg: algorithm };

const client = (id) => ({
  client_id: id,
  client_secret: 'test',
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  token_endpoint_auth_method: 'client_secret_post',
  // No ID token is asked for; the default's key must be there all the same.
  id_token_signed_response_alg: algorithm,
});

const provider = new Provider(issuer, {
  clients: [client('analyst'), client('visitor')],
  jwks: { keys: [key] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_ctx, resource) => ({
        scope: 'snowflake',
        audience: resource.replace('urn:', ''),
        accessTokenTTL: 300,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: algorithm } },
      }),
    },
  },
  extraTokenClaims: (_ctx, token) => ({
    realm_access: { roles: token.clientId === 'analyst' ? ['analysts'] : [] },
  }),
});

provider.listen(Number(port), '127.0.0.1');
