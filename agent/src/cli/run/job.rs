//! What a CI job says of itself by its environment; anybody can set that, so it is worth as much as a label.

use std::env;
use std::path::PathBuf;

use crate::control::request::LABEL_VALUE_MAX_BYTES;
use crate::identity::{Ci, CiSystem};

/// Reads the facts of the job that this process says to run in, if it says so.
pub(super) fn claimed() -> Option<Ci> {
    of(|name| env::var(name).ok())
}

/// Variables that name files by which a step tells its runner what the next steps are to have.
/// Source: docs.github.com, "Workflow commands for GitHub Actions"; actions/runner, `FileCommandManager.cs`.
const COMMAND_FILES: [&str; 5] = [
    "GITHUB_ENV",
    "GITHUB_PATH",
    "GITHUB_OUTPUT",
    "GITHUB_STATE",
    "GITHUB_STEP_SUMMARY",
];

/// Names the files by which this step tells its runner what the next steps are to have.
pub(super) fn command_files() -> Vec<PathBuf> {
    let named = COMMAND_FILES.iter().filter_map(env::var_os);
    named
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .collect()
}

fn of(variable: impl Fn(&str) -> Option<String>) -> Option<Ci> {
    let is_set = |name: &str| variable(name).as_deref() == Some("true");
    // What is too long or not plain is left out: a job is not to stop for it.
    let fact = |name: &str| {
        variable(name).filter(|value| {
            let fits = !value.is_empty() && value.len() <= LABEL_VALUE_MAX_BYTES;
            fits && !value.chars().any(char::is_control)
        })
    };
    let provider = |system: CiSystem| Some(system.as_str().to_owned());
    // Source: docs.github.com, "Variables reference"; docs.gitlab.com, "Predefined CI/CD variables reference".
    if is_set("GITHUB_ACTIONS") {
        return Some(Ci {
            provider: provider(CiSystem::GitHub),
            repository: fact("GITHUB_REPOSITORY"),
            repository_id: fact("GITHUB_REPOSITORY_ID"),
            git_ref: fact("GITHUB_REF"),
            sha: fact("GITHUB_SHA"),
            workflow_ref: fact("GITHUB_WORKFLOW_REF"),
            run_id: fact("GITHUB_RUN_ID"),
            run_attempt: fact("GITHUB_RUN_ATTEMPT").and_then(|text| text.parse().ok()),
            actor: fact("GITHUB_ACTOR"),
            actor_id: fact("GITHUB_ACTOR_ID"),
            event: fact("GITHUB_EVENT_NAME"),
            runner_environment: fact("RUNNER_ENVIRONMENT"),
            ..Ci::default()
        });
    }
    is_set("GITLAB_CI").then(|| Ci {
        provider: provider(CiSystem::GitLab),
        repository: fact("CI_PROJECT_PATH"),
        repository_id: fact("CI_PROJECT_ID"),
        git_ref: fact("CI_COMMIT_REF_NAME"),
        sha: fact("CI_COMMIT_SHA"),
        run_id: fact("CI_PIPELINE_ID"),
        actor: fact("GITLAB_USER_LOGIN"),
        actor_id: fact("GITLAB_USER_ID"),
        event: fact("CI_PIPELINE_SOURCE"),
        environment: fact("CI_ENVIRONMENT_NAME"),
        ..Ci::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Option<Ci> {
        of(|name| {
            let found = set.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_job_is_told_by_its_systems_variables() {
        let text = |text: &str| Some(text.to_owned());
        let gitlab = [
            ("GITLAB_CI", "true"),
            ("CI_PROJECT_PATH", "acme/app"),
            ("CI_PIPELINE_ID", "7"),
            ("GITHUB_REPOSITORY", "other/app"),
        ];
        let expected = Ci {
            provider: text("gitlab"),
            repository: text("acme/app"),
            run_id: text("7"),
            ..Ci::default()
        };
        assert_eq!(read(&gitlab), Some(expected));
        let long = "x".repeat(LABEL_VALUE_MAX_BYTES + 1);
        let github = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "acme/\u{1b}[2Japp"),
            ("GITHUB_REF", &long),
            ("GITHUB_SHA", ""),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("GITHUB_ACTOR", "ada"),
        ];
        let expected = Ci {
            provider: text("github"),
            run_attempt: Some(2),
            actor: text("ada"),
            ..Ci::default()
        };
        assert_eq!(read(&github), Some(expected));
        assert_eq!(read(&[("GITHUB_REPOSITORY", "acme/app")]), None);
    }
}
