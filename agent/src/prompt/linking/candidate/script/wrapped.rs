//! Programs that run another one, whose words stand behind their own.

use super::expand::Text;
use super::programs::{self, Kind};

/// Options of such programs that take a word. Source: their manuals.
const WITH_WORD: [&str; 24] = [
    "-u",
    "-g",
    "-n",
    "-p",
    "-k",
    "-s",
    "-e",
    "-w",
    "-v",
    "-C",
    "-o",
    "-i",
    "--with",
    "--python",
    "--extra",
    "--group",
    "--from",
    "--env-file",
    "--name",
    "--signal",
    "--user",
    "--package",
    "--index-url",
    "--network",
];

/// Finds the program that one of these runs: its place among the words.
pub(super) fn inner(words: &[Text]) -> Option<usize> {
    let mut at = 1;
    let mut first = None;
    while let Some(word) = words.get(at) {
        let Some(text) = word.whole() else {
            first = first.or(Some(at));
            at += 1;
            continue;
        };
        if WITH_WORD.contains(&text) {
            at += 2;
            continue;
        }
        if !text.starts_with('-') && !text.contains('=') {
            let name = text.rsplit('/').next().unwrap_or(text);
            if programs::kind(name) != Kind::Unknown {
                return Some(at);
            }
            let is_verb = matches!(text, "run" | "exec" | "compose" | "tool" | "x");
            let is_number = text.starts_with(|letter: char| letter.is_ascii_digit());
            if !is_verb && !is_number {
                first = first.or(Some(at));
            }
        }
        at += 1;
        // An argument of what is not known is no program.
        if first.is_some_and(|first| at > first + 3) {
            break;
        }
    }
    first
}

/// Tells whether one of these is asked to run a program: some do other things too, and say so by a verb.
pub(super) fn is_asked_to_run(name: &str, words: &[Text]) -> bool {
    if name == "systemd-run" {
        // A unit of a timer's runs later.
        let mut options = words.iter().filter_map(Text::whole);
        let is_later =
            options.any(|option| option.starts_with("--on-") || option.starts_with("--timer"));
        return !is_later;
    }
    let has_verbs = matches!(
        name,
        "docker"
            | "podman"
            | "nerdctl"
            | "kubectl"
            | "oc"
            | "uv"
            | "poetry"
            | "pdm"
            | "pipenv"
            | "hatch"
            | "rye"
            | "pixi"
            | "conda"
            | "mamba"
            | "micromamba"
            | "tox"
            | "op"
            | "doppler"
            | "aws-vault"
            | "direnv"
            | "mise"
            | "chamber"
            | "infisical"
            | "teller"
            | "devbox"
            | "pipx"
    );
    let mut verbs = words
        .iter()
        .skip(1)
        .filter_map(Text::whole)
        .filter(|word| !word.starts_with('-'));
    !has_verbs
        || verbs
            .by_ref()
            .take(4)
            .any(|verb| matches!(verb, "run" | "exec" | "x" | "runpip" | "e"))
}
