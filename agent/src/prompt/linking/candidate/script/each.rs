//! Programs that run others: once for each thing, behind their own words, or by a file of recipes.

use super::super::template::{HOLE, Template};
use super::expand::Text;
use super::programs::{self, Kind};
use super::{Done, Reach, Shell, Status, wrapped};

/// Most items for which a program is run that another one runs for each.
const ITEMS_MAX: usize = 16;

impl Shell<'_> {
    /// A program that runs another one.
    pub(super) fn wraps(&mut self, words: &[Text], given: &[String]) -> Done {
        let mut given = given.to_vec();
        let name = words
            .first()
            .and_then(Text::whole)
            .unwrap_or_default()
            .to_owned();
        let name = name.rsplit('/').next().unwrap_or(&name).to_owned();
        if !wrapped::is_asked_to_run(&name, words) {
            return (Status::Likely, Text::unknown());
        }
        let at = wrapped::inner(words);
        let before = self.variables.clone();
        // `env Q=.. program`, `sudo Q=.. program`.
        for word in words.iter().take(at.unwrap_or(words.len())).skip(1) {
            let marked = word.template.marked();
            if let Some((variable, value)) = marked.split_once('=')
                && !variable.starts_with('-')
            {
                self.set(
                    variable,
                    vec![Text {
                        template: Template::of(value),
                        files: word.files.clone(),
                    }],
                );
                given.push(variable.to_owned());
            }
        }
        let done = match at {
            // A container's environment stands in an option of its engine.
            _ if matches!(
                name.as_str(),
                "docker" | "podman" | "nerdctl" | "kubectl" | "oc"
            ) && at.is_none_or(|at| !is_program(words.get(at))) =>
            {
                self.unknown(words, &given);
                (Status::Likely, Text::unknown())
            }
            Some(at) => {
                let inner = words.get(at..).unwrap_or_default();
                // `watch` and `parallel` hand their words to a shell.
                match inner {
                    [only]
                        if matches!(
                            name.as_str(),
                            "watch" | "parallel" | "hyperfine" | "nix" | "entr"
                        ) =>
                    {
                        self.script(&only.clone(), Vec::new())
                    }
                    _ => self.simple(inner.to_vec(), given.clone()),
                }
            }
            None => (Status::Likely, Text::unknown()),
        };
        self.variables = before;
        if name == "timeout" || name == "gtimeout" {
            return (Status::Likely, done.1);
        }
        done
    }

    pub(super) fn xargs(&mut self, rest: &[Text], given: &[String]) -> Done {
        let (mut mark, mut by, mut at) = (None, None, 0);
        let mut is_by_line = false;
        while let Some(option) = rest
            .get(at)
            .and_then(Text::whole)
            .filter(|word| word.starts_with('-'))
        {
            at += 1;
            match option {
                "-0" | "--null" => by = Some('\0'),
                "-I" | "-i" => {
                    mark = rest.get(at).and_then(Text::whole).map(str::to_owned);
                    at += 1;
                }
                "-d" => {
                    let sign = rest.get(at).and_then(Text::whole).unwrap_or_default();
                    by = match sign {
                        "\\n" => Some('\n'),
                        "\\0" => Some('\0'),
                        other => other.chars().next(),
                    };
                    at += 1;
                }
                "-L" => {
                    is_by_line = true;
                    at += 1;
                }
                "-n" | "-P" | "-s" | "-a" | "-E" => at += 1,
                other if other.starts_with("-I") => mark = other.get(2..).map(str::to_owned),
                other
                    if other.contains('0')
                        && !other.starts_with("--")
                        && !other.starts_with("-n")
                        && !other.starts_with("-P") =>
                {
                    by = Some('\0')
                }
                _ => {}
            }
        }
        let command = rest.get(at..).unwrap_or_default().to_vec();
        let input = std::mem::take(&mut self.input);
        let items: Vec<Text> = match (input.whole(), by, mark.is_some() || is_by_line) {
            (Some(text), Some(by), _) => text
                .split(by)
                .filter(|item| !item.trim().is_empty())
                .map(Text::plain)
                .collect(),
            // A line is an item, whose quotes are read: one with quotes is another.
            (Some(text), None, true) => text
                .lines()
                .filter(|line| !line.contains(['\'', '"', '\\']))
                .map(|line| Text::plain(line.trim_start()))
                .collect(),
            (Some(text), None, false) => text.split_whitespace().map(Text::plain).collect(),
            (None, _, _) => vec![Text {
                template: Text::unknown().template,
                files: input.files.clone(),
            }],
        };
        for item in items.into_iter().take(ITEMS_MAX) {
            let mut words = command.clone();
            match &mark {
                Some(mark) => {
                    for word in &mut words {
                        let marked = word.template.marked();
                        if marked.contains(mark.as_str()) && !mark.is_empty() {
                            let filled = marked.replace(mark.as_str(), &item.template.marked());
                            let shown = Template::of(&marked.replace(mark.as_str(), HOLE));
                            *word = self.as_made(Text::plain(&filled), shown);
                        }
                    }
                }
                None => words.push(item),
            }
            self.simple(words, given.to_vec());
        }
        self.input = input;
        (Status::Likely, Text::unknown())
    }

    /// `find .. -exec`, with the files that the text wrote.
    pub(super) fn find(&mut self, rest: &[Text], given: &[String]) -> Done {
        let is_exec =
            |word: &Text| matches!(word.whole(), Some("-exec" | "-execdir" | "-x" | "-ok"));
        let at = rest.iter().position(is_exec);
        let pattern = rest.windows(2).find_map(|pair| match pair {
            [option, pattern] if matches!(option.whole(), Some("-name" | "-path" | "-iname")) => {
                pattern.whole()
            }
            _ => None,
        });
        let files = self.files.like(pattern.unwrap_or_default());
        let Some(at) = at else {
            let mut written = Text::default();
            for file in &files {
                written.extend(&Text::plain(file));
                written.template.push('\n');
            }
            return (
                Status::Likely,
                if files.is_empty() {
                    Text::unknown()
                } else {
                    written
                },
            );
        };
        let command: Vec<Text> = rest
            .iter()
            .skip(at + 1)
            .take_while(|word| !matches!(word.whole(), Some(";" | "+")))
            .cloned()
            .collect();
        for file in files.into_iter().take(ITEMS_MAX) {
            let words = command.iter().map(|word| match word.whole() {
                Some(text) if text.contains("{}") => Text::plain(&text.replace("{}", &file)),
                Some(_) | None => word.clone(),
            });
            self.simple(words.collect(), given.to_vec());
        }
        (Status::Likely, Text::unknown())
    }

    /// `make`: the recipes of the target that is named.
    pub(super) fn make(&mut self, rest: &[Text], given: &[String]) {
        let words = rest.iter().filter_map(Text::whole);
        if words.clone().any(|word| {
            matches!(
                word,
                "-n" | "--dry-run" | "--just-print" | "-q" | "--question" | "--recon" | "-p"
            )
        }) {
            return;
        }
        if words.clone().any(programs::is_named_otherwise) {
            return;
        }
        let mut targets: Vec<String> = words
            .filter(|word| !word.starts_with('-') && !word.contains('='))
            .map(str::to_owned)
            .collect();
        if targets.is_empty() {
            targets.push(String::new());
        }
        let role = self.role();
        for target in targets {
            let path = format!("./Makefile#{target}");
            match self.files.content("Makefile") {
                Some(Some(content)) => {
                    let content = content.marked();
                    let recipe = super::super::recipes::of_target(&content, &target);
                    self.script(&Text::plain(&recipe), Vec::new());
                }
                Some(None) => {}
                None => self.gathered.name(&path, role),
            }
        }
        let is_known = self.files.content("Makefile").is_some();
        if !is_known {
            for word in rest {
                let marked = word.template.marked();
                if let Some((_, value)) = marked.split_once('=') {
                    self.give(&Text::plain(value));
                }
            }
            for value in self.environment(given) {
                self.give(&value);
            }
        }
    }

    /// `npm run x`: the script of a package.
    pub(super) fn npm(&mut self, words: &[Text], given: &[String]) {
        let plain: Vec<&str> = words
            .iter()
            .skip(1)
            .filter_map(Text::whole)
            .filter(|word| !word.starts_with('-'))
            .collect();
        let script = match plain.as_slice() {
            ["run" | "run-script", script, ..] => *script,
            ["exec" | "dlx" | "x", ..] => {
                let rest = words.get(2..).unwrap_or_default();
                let rest: Vec<Text> = rest
                    .iter()
                    .skip_while(|word| word.whole() == Some("--"))
                    .cloned()
                    .collect();
                self.simple(rest, given.to_vec());
                return;
            }
            ["test" | "t", ..] => "test",
            ["start", ..] => "start",
            [script, ..]
                if !matches!(
                    *script,
                    "install" | "i" | "ci" | "add" | "publish" | "view" | "search" | "info"
                ) =>
            {
                *script
            }
            _ => return,
        };
        if programs::is_named_otherwise(script) {
            return;
        }
        let role = self.role();
        match self.files.content("package.json") {
            Some(Some(content)) => {
                let content = content.marked();
                for (name, text) in super::super::recipes::scripts(&content) {
                    if name == script {
                        self.script(&Text::plain(&text), Vec::new());
                    }
                }
            }
            Some(None) => {}
            None => {
                self.gathered
                    .name(&format!("./package.json#{script}"), role);
                if self.reach == Reach::Yes {
                    self.arguments(words.get(2..).unwrap_or_default());
                }
            }
        }
    }
}

fn is_program(word: Option<&Text>) -> bool {
    let name = word
        .and_then(Text::whole)
        .map(|word| word.rsplit('/').next().unwrap_or(word));
    name.is_some_and(|name| programs::kind(name) != Kind::Unknown)
}
