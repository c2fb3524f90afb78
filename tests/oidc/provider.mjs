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

// A GitLab job's `sub`; here the client's name is the subject.
const job = (ref) => `project_path:acme/app:ref_type:branch:ref:${ref}`;

// What GitLab says of a job. Source: docs.gitlab.com, "ID token authentication", token payload.
const gitlab = (ref) => ({
  namespace_id: '72',
  namespace_path: 'acme',
  project_id: '20',
  project_path: 'acme/app',
  user_id: '1',
  user_login: 'ada',
  user_email: 'ada@acme.test',
  user_access_level: 'developer',
  pipeline_id: '574',
  pipeline_source: 'push',
  job_id: '302',
  ref,
  ref_type: 'branch',
  ref_path: `refs/heads/${ref}`,
  ref_protected: String(ref === 'main'),
  groups_direct: ['acme/analysts'],
  environment: 'prod',
  environment_protected: 'true',
  deployment_tier: 'production',
  environment_action: 'start',
  runner_id: 1,
  runner_environment: 'self-hosted',
  sha: '714a629c0b401fdce83e847fc9589983fc6f46bc',
  project_visibility: 'private',
  ci_config_ref_uri: `gitlab.acme.test/acme/app//.gitlab-ci.yml@refs/heads/${ref}`,
  ci_config_sha: '714a629c0b401fdce83e847fc9589983fc6f46bc',
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

// Approvers' own client: their word on one request is no login to anything else.
const approvers = { ...people, client_id: 'icecore-approvals', grant_types: ['authorization_code'] };

const provider = new Provider(issuer, {
  clients: [client('analyst'), client('visitor'), client(job('main')), client(job('side')), people, approvers],
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
  extraTokenClaims: (_ctx, token) => {
    const ref = ['main', 'side'].find((one) => token.clientId === job(one));
    return ref ? gitlab(ref) : { realm_access: { roles: token.clientId === 'analyst' ? ['analysts'] : [] } };
  },
});

provider.listen(Number(port), '127.0.0.1');
