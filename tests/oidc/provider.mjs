// A real OpenID Connect provider (oidc-provider) for tests: JWT access tokens by client credentials, with groups, and
// people who log in by its pages, each under whatever name is typed in.
//
// Arguments: port, algorithm (RS256, ES256 ...), key id, seconds by which its clock is wrong, seconds that ID tokens are
// good. Each start has a new key and knows no token of an earlier one.

import { generateKeyPairSync } from 'node:crypto';

const [port, algorithm, keyId, wrong, idTokenSeconds] = process.argv.slice(2);
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

const people = {
  client_id: 'icecore-cli',
  application_type: 'native',
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  redirect_uris: ['http://127.0.0.1/callback'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
  id_token_signed_response_alg: algorithm,
};

const provider = new Provider(issuer, {
  clients: [client('analyst'), client('visitor'), people],
  claims: { openid: ['sub'], email: ['email'], groups: ['groups'] },
  // As Okta and Entra ID do it, claims of scopes are in the ID token.
  conformIdTokenClaims: false,
  findAccount: (_ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@acme.test`, groups: id === 'ada' ? ['analysts'] : [] }),
  }),
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  ttl: { IdToken: Number(idTokenSeconds) },
  jwks: { keys: [key] },
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    devInteractions: { enabled: true },
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
