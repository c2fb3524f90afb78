//! What `icecore run --help` says beyond its options.

/// Examples and exit codes.
pub(super) const EXAMPLES: &str = "\
Examples:
  icecore run -- python3 report.py
  icecore run --label change=CHG123 -- dbt run
  sudo -E icecore run --user agent -- python3 job.py
  icecore run --require enforced -- claude -p 'how many orders were late?'

Exit codes: that of CMD; 127 if there is no CMD, 126 if it cannot be executed, 128 and the signal's number if a signal \
ended it; before CMD starts 1 refused, 2 usage, 3 config, 4 no daemon.";

/// What trusts the proxy in a session, and what does not.
const TRUST: &str = "\
Trust: the command's programs are told by their environment to trust Icecore's CA beside the host's roots, or beside \
what the caller had set there:
  REQUESTS_CA_BUNDLE   Python connector 4.x, snow, dbt, requests; CURL_CA_BUNDLE too if it is set
  SSL_CERT_FILE        Python connector 5.x, Go, Rust, .NET, OpenSSL
  NODE_EXTRA_CA_CERTS  Node
  JAVA_TOOL_OPTIONS    JVMs: a trust store with the host's roots, in the place of the JVM's own cacerts
  SF_OCSP_RESPONSE_CACHE_SERVER_ENABLED=false unless set: Go does not wait for a revocation server

Identity: the session acts for whom a token shows, of --identity-token-file or --identity-token-env, else of the variable \
that the config names (ICECORE_ID_TOKEN), else of GitHub's runner, which is asked for one, else of the \
user's `icecore login`. These variables, \
ACTIONS_ID_TOKEN_REQUEST_* and CI_JOB_JWT* are kept from the command. A token opens one session. A job's token needs a \
command of another uid than its caller's: start as root with --user NAME.

Held: sockets of UNIX, IPv4, IPv6 and netlink alone, no io_uring, no new privileges. With --user NAME also: no capability \
to gain, of /run all but the daemons that would act for the command, of /proc its own processes, and a GitHub step's \
GITHUB_ENV and its kin are dropped. Variables that open something elsewhere stay outside, and a line says which; \
--keep-env NAME hands one over.

What does not trust it, and what to do; a warning says so where it can be seen from outside:
  a JVM trust store that the caller or the command line chooses: import the CA there with keytool
  Snowflake's ODBC driver: append the CA to the file of CABundleFile in simba.snowflake.ini
  programs that start others with a cleared environment, such as env -i: let them keep the variables
  containers: mount the files and pass the variables
  programs with roots compiled in, or a root store of their own in their settings: change that setting
  drivers told to insist on revocation lists: certificates of Icecore have none, since they live for days
The CA is `ca/ca.pem` in the daemon's state_dir; it can vouch for Snowflake's domains only.";

/// Gives all of it.
pub(super) fn long() -> String {
    format!("{EXAMPLES}\n\n{TRUST}")
}
