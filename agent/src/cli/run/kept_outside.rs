//! Variables that stay outside of a session: what opens something elsewhere, and where daemons listen that would act for it.
//!
//! A list of names, no guess by their form: a job's own variables are its affair. Not on it: what names an account, a user or a
//! region; passwords of drivers, whose dummy must work; files of keys, which their rights protect; keys of model providers and of
//! the code's host, without which an agent does nothing.

use std::ffi::OsString;

/// By these a job gets tokens that are good anywhere; no wish hands one over. Source: docs.github.com, "OpenID Connect reference";
/// GitLab set the last three up to 17.0.
pub(super) const NEVER: [&str; 5] = [
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "CI_JOB_JWT",
    "CI_JOB_JWT_V1",
    "CI_JOB_JWT_V2",
];

/// Names of variables; `*` stands for one character or more.
const KEPT: &[&str] = &[
    // The job's rights at its runner. Source: actions/toolkit; Azure Pipelines, "Predefined variables".
    "ACTIONS_RUNTIME_TOKEN",
    "SYSTEM_ACCESSTOKEN",
    "SYSTEM_OIDCREQUESTURI",
    // Source: AWS SDKs and Tools Reference Guide, "Environment variables support".
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    // Source: Azure SDK, `EnvironmentCredential` and `ManagedIdentityCredential`; Azure CLI; Terraform's azurerm.
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_PASSWORD",
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_CONNECTION_STRING",
    "ARM_CLIENT_SECRET",
    "ARM_ACCESS_KEY",
    "ARM_SAS_TOKEN",
    "ARM_OIDC_TOKEN",
    "ARM_OIDC_REQUEST_TOKEN",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "MSI_ENDPOINT",
    "MSI_SECRET",
    // Source: Google Cloud, "Application Default Credentials", "gcloud topic configurations"; google-github-actions/auth.
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CREDENTIALS",
    "GOOGLE_GHA_CREDS_PATH",
    "GOOGLE_OAUTH_ACCESS_TOKEN",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "CLOUDSDK_AUTH_ACCESS_TOKEN",
    "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
    // Source: Vault, "Commands (CLI)".
    "VAULT_TOKEN",
    "VAULT_SECRET_ID",
    "VAULT_WRAPPED_TOKEN",
    "BAO_TOKEN",
    // Source: Snowflake CLI, "Configure connections"; SnowSQL, "Configuring"; Terraform's snowflake provider.
    "SNOWFLAKE_PRIVATE_KEY",
    "SNOWFLAKE_PRIVATE_KEY_RAW",
    "SNOWFLAKE_TOKEN",
    "SNOWFLAKE_OAUTH_ACCESS_TOKEN",
    "SNOWFLAKE_OAUTH_REFRESH_TOKEN",
    "SNOWFLAKE_OAUTH_CLIENT_SECRET",
    "SNOWFLAKE_CONNECTIONS_*_PRIVATE_KEY_RAW",
    "SNOWFLAKE_CONNECTIONS_*_TOKEN",
    "SNOWFLAKE_CONNECTIONS_*_OAUTH_CLIENT_SECRET",
    // Daemons outside that act for whoever reaches them.
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "GPG_AGENT_INFO",
    "DBUS_SESSION_BUS_ADDRESS",
    "DBUS_SYSTEM_BUS_ADDRESS",
    "DOCKER_HOST",
    "CONTAINER_HOST",
    "CONTAINERD_ADDRESS",
    "BUILDKIT_HOST",
];

/// Finds the variables that the command does not get, but for those that the caller hands over all the same.
pub(super) fn of(
    variables: impl Iterator<Item = (OsString, OsString)>,
    handed_over: &[String],
) -> Vec<String> {
    let mut found: Vec<String> = variables
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| is_kept(name) && !handed_over.contains(name))
        .collect();
    found.sort();
    found
}

/// Reads a name that the caller wants to hand over.
///
/// # Errors
/// A text for the user.
pub(super) fn handed_over(name: &str) -> Result<String, String> {
    if NEVER.contains(&name) {
        return Err(format!(
            "expected a variable that may be handed over, found `{name}`, by which a job gets tokens that are good anywhere"
        ));
    }
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(format!(
            "expected the name of a variable, such as SSH_AUTH_SOCK, found {name:?}"
        ));
    }
    Ok(name.to_owned())
}

/// Tells whether one of the environment's variables opens a daemon or a cloud, by its name.
fn is_kept(name: &str) -> bool {
    KEPT.iter().any(|kept| match kept.split_once('*') {
        None => name == *kept,
        Some((start, end)) => name
            .strip_prefix(start)
            .and_then(|rest| rest.strip_suffix(end))
            .is_some_and(|middle| !middle.is_empty()),
    })
}

/// Says what was kept from the command, in one line; nothing if there was nothing.
pub(super) fn told(kept: &[String]) -> Option<String> {
    let (first, rest) = kept.split_first()?;
    let mut line = format!("kept from the command: {first}");
    for name in rest {
        line.push_str(", ");
        line.push_str(name);
    }
    line.push_str("; --keep-env NAME hands one over");
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str], handed_over: &[&str]) -> Vec<String> {
        let variables = names.iter().map(|name| (name.into(), "x".into()));
        let handed_over: Vec<String> = handed_over.iter().map(|&name| name.into()).collect();
        of(variables, &handed_over)
    }

    #[test]
    fn credentials_and_daemons_stay_outside() {
        let names = [
            "VAULT_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "SNOWFLAKE_CONNECTIONS_DEV_TOKEN",
            "SSH_AUTH_SOCK",
        ];
        let mut sorted = names.map(str::to_owned).to_vec();
        sorted.sort();
        assert_eq!(found(&names, &[]), sorted);
        assert_eq!(found(&names, &["SSH_AUTH_SOCK"]).len(), 3);
    }

    /// What a driver's script reads as its settings, and what an agent cannot do without.
    #[test]
    fn settings_dummies_and_the_agents_own_keys_stay() {
        let stay = [
            "SNOWFLAKE_ACCOUNT",
            "SNOWFLAKE_USER",
            "SNOWFLAKE_PASSWORD",
            "SNOWSQL_PWD",
            "SNOWFLAKE_PRIVATE_KEY_PATH",
            "SNOWFLAKE_CONNECTIONS_DEV_PASSWORD",
            "SNOWFLAKE_CONNECTIONS_TOKEN",
            "AWS_REGION",
            "AWS_PROFILE",
            "AZURE_TENANT_ID",
            "VAULT_ADDR",
            "ANTHROPIC_API_KEY",
            "AWS_BEARER_TOKEN_BEDROCK",
            "GITHUB_TOKEN",
            "PATH",
        ];
        assert_eq!(found(&stay, &[]), [""; 0]);
    }

    #[test]
    fn empty_variables_are_not_told() {
        let variables = [("VAULT_TOKEN".into(), OsString::new())].into_iter();
        assert_eq!(of(variables, &[]), [""; 0]);
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn what_was_kept_is_told_in_a_line() {
        let kept = ["A".to_owned(), "B".to_owned()];
        assert_eq!(
            told(&kept).as_deref(),
            Some("kept from the command: A, B; --keep-env NAME hands one over")
        );
    }

    #[test]
    fn a_jobs_way_to_tokens_is_never_handed_over() {
        assert_eq!(handed_over("SSH_AUTH_SOCK").as_deref(), Ok("SSH_AUTH_SOCK"));
        for bad in NEVER.into_iter().chain(["", "A=B", "A B"]) {
            assert!(handed_over(bad).is_err(), "{bad}");
        }
    }
}
