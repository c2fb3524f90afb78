//! The closed rule by which evidence gives a grade.
//!
//! A grade says how sure it is which model call carried a statement. It never says that a person wrote the prompt: that is
//! [`PromptOrigin`](super::evidence::PromptOrigin).

use super::evidence::Evidence;

/// How sure a link is, as column `grade` of table `links` holds it; later ones are surer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// Nothing is known: a script of CI, dbt, cron.
    Unknown,
    /// It came from the session of a model's agent.
    Session,
    /// One of some uses of tools, or one that was over.
    Possible,
    /// The one use that was open, or one with a text much like it.
    Probable,
    /// The use's text means the same.
    Strong,
    /// The use's text is the statement's.
    Proven,
}

impl Grade {
    /// Gives the letter for it.
    #[must_use]
    pub fn letter(self) -> &'static str {
        match self {
            Self::Proven => "A",
            Self::Strong => "B",
            Self::Probable => "C",
            Self::Possible => "D",
            Self::Session => "E",
            Self::Unknown => "U",
        }
    }

    /// Gives the share of links of this grade that are expected to be right, `candidates` of which come into question.
    /// Source: the priors of the plan; the corpus among the tests prints what they come to.
    #[must_use]
    pub fn confidence(self, candidates: usize) -> f64 {
        match self {
            Self::Proven => 0.99,
            Self::Strong => 0.95,
            Self::Probable => 0.8,
            Self::Possible => match u32::try_from(candidates) {
                Ok(0 | 1) => 0.3,
                Ok(candidates) => (0.8 / f64::from(candidates)).min(0.6),
                Err(_) => 0.0,
            },
            Self::Session => 0.2,
            Self::Unknown => 0.0,
        }
    }
}

/// What speaks against a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doubt {
    /// Other uses for which as much speaks.
    pub has_rivals: bool,
    /// The open uses hold SQL, and this statement is none of it; or the agent says that it ran another command.
    pub is_mismatch: bool,
}

/// Gives the grade of a link.
///
/// | grade | what it needs |
/// |---|---|
/// | A | the same text, lineage and an open use; or the same text or tree, lineage, and a tag |
/// | B | the same tree, lineage and an open use; or the same text or tree, and a tag |
/// | C | an overlap or an echo, lineage and an open use; or lineage and the sole open use |
/// | D | lineage, and an open use, a text of an earlier one, or a file that was written |
/// | E | anything else but time alone |
///
/// It is narrower than a table by single bits would be, since the agent writes what some bits rest on. A trace id, the
/// environment, the answer that comes back in a result and telemetry are the agent's to choose: the first two give no more
/// than E, the third lifts D to C beside the kernel's word, and the last changes nothing. So A and B need a text, and A needs the kernel's word too. What is
/// alike in all but its literals is an overlap: `where id = 7` is not what a model wrote who wrote `where id = 8`. Where
/// as much speaks for two uses, or where the open ones hold other SQL, nothing better than D is left.
#[must_use]
pub fn grade(evidence: Evidence, doubt: Doubt) -> Grade {
    let has_text = evidence.has(Evidence::SAME_TEXT);
    let has_same = has_text || evidence.has(Evidence::SAME_TREE);
    let is_outside = evidence.has(Evidence::TAG);
    let has_lineage = evidence.has(Evidence::LINEAGE);
    let is_inside = has_lineage && evidence.has(Evidence::OPEN);
    let is_like = evidence.has_any(Evidence::OVERLAP.with(Evidence::ECHO)) || has_same;
    // These give nothing by themselves.
    let no_more = Evidence::OPEN
        .with(Evidence::SOLE)
        .with(Evidence::FILE)
        .with(Evidence::TAG)
        .with(Evidence::TELEMETRY)
        .with(Evidence::OTHER_AGENT);

    let grade = if (has_text && is_inside) || (has_same && has_lineage && is_outside) {
        Grade::Proven
    } else if has_same && (is_inside || is_outside) {
        Grade::Strong
    } else if is_inside && (is_like || evidence.has(Evidence::SOLE)) {
        Grade::Probable
    } else if is_inside || (has_lineage && (is_like || evidence.has(Evidence::FILE))) {
        Grade::Possible
    } else if evidence.has_any(Evidence::from_bits(!no_more.bits())) {
        Grade::Session
    } else {
        Grade::Unknown
    };
    if doubt.has_rivals || doubt.is_mismatch {
        grade.min(Grade::Possible)
    } else {
        grade
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOUBTS: [Doubt; 4] = [
        Doubt {
            has_rivals: false,
            is_mismatch: false,
        },
        Doubt {
            has_rivals: true,
            is_mismatch: false,
        },
        Doubt {
            has_rivals: false,
            is_mismatch: true,
        },
        Doubt {
            has_rivals: true,
            is_mismatch: true,
        },
    ];

    fn all() -> impl Iterator<Item = Evidence> {
        (0..=Evidence::ALL.bits()).map(Evidence::from_bits)
    }

    #[test]
    fn less_evidence_never_gives_a_better_grade() {
        for evidence in all() {
            for bit in (0..13)
                .map(|bit| 1 << bit)
                .filter(|bit| evidence.bits() & bit != 0)
            {
                let less = Evidence::from_bits(evidence.bits() & !bit);
                for doubt in DOUBTS {
                    assert!(
                        grade(less, doubt) <= grade(evidence, doubt),
                        "{evidence:?} without {bit}"
                    );
                }
            }
        }
    }

    #[test]
    fn doubt_never_gives_a_better_grade_and_leaves_none_above_d() {
        for evidence in all() {
            for doubt in &DOUBTS[1..] {
                assert!(grade(evidence, *doubt) <= grade(evidence, DOUBTS[0]).min(Grade::Possible));
            }
        }
    }

    #[test]
    fn what_the_agent_writes_gives_no_more_than_e_alone() {
        for evidence in all().filter(|evidence| evidence.bits() & !Evidence::OF_AGENT.bits() == 0) {
            assert!(
                grade(evidence, Doubt::default()) <= Grade::Session,
                "{evidence:?}"
            );
        }
    }

    #[test]
    fn what_the_agent_writes_never_makes_an_a_or_b() {
        for evidence in all() {
            let without = Evidence::from_bits(evidence.bits() & !Evidence::OF_AGENT.bits());
            let with = grade(evidence, Doubt::default());
            assert!(
                with < Grade::Strong || with == grade(without, Doubt::default()),
                "{evidence:?}"
            );
            // Trace ids and the environment change no grade that is above E.
            let untraced = Evidence::from_bits(evidence.bits() & !(1 | 2 | 4096));
            assert!(
                with <= Grade::Session || with == grade(untraced, Doubt::default()),
                "{evidence:?}"
            );
        }
    }

    #[test]
    fn telemetry_changes_no_grade() {
        for evidence in all() {
            let without = Evidence::from_bits(evidence.bits() & !Evidence::TELEMETRY.bits());
            for doubt in DOUBTS {
                assert_eq!(
                    grade(evidence, doubt),
                    grade(without, doubt),
                    "{evidence:?}"
                );
            }
        }
    }

    #[test]
    fn a_needs_a_text_and_the_kernel_and_b_a_text() {
        for evidence in all() {
            let has_same = evidence.has_any(Evidence::SAME_TEXT.with(Evidence::SAME_TREE));
            match grade(evidence, Doubt::default()) {
                Grade::Proven => {
                    assert!(has_same && evidence.has(Evidence::LINEAGE), "{evidence:?}")
                }
                Grade::Strong => assert!(has_same, "{evidence:?}"),
                Grade::Probable | Grade::Possible => {
                    assert!(evidence.has(Evidence::LINEAGE), "{evidence:?}")
                }
                Grade::Session | Grade::Unknown => {}
            }
        }
    }

    #[test]
    fn rows_of_the_table_give_their_grades() {
        let of = |bits| grade(Evidence::from_bits(bits), Doubt::default()).letter();
        for (bits, letter) in [
            (16 | 4 | 8, "A"),
            (1024 | 32 | 4, "D"),
            (2048 | 16 | 4, "A"),
            (32 | 4 | 8, "B"),
            (1024 | 32 | 4 | 8, "B"),
            (2048 | 16, "B"),
            (64 | 4 | 8, "C"),
            (256 | 4 | 8, "C"),
            (4 | 8 | 512, "C"),
            (4 | 8, "D"),
            (16 | 4, "D"),
            (128 | 4, "D"),
            (4, "E"),
            (1 | 2, "E"),
            (1 | 16, "E"),
            (16 | 8, "E"),
            (1024 | 16, "E"),
            (1024, "U"),
            (2048, "U"),
            (8 | 512, "U"),
            (4096, "U"),
            (4096 | 16 | 4 | 8, "A"),
            (0, "U"),
        ] {
            assert_eq!(of(bits), letter, "{bits}");
        }
    }

    #[test]
    fn surer_grades_have_more_confidence() {
        let grades = [
            Grade::Unknown,
            Grade::Session,
            Grade::Possible,
            Grade::Probable,
            Grade::Strong,
            Grade::Proven,
        ];
        for pair in grades.windows(2) {
            assert!(
                pair[0] < pair[1] && pair[0].confidence(1) < pair[1].confidence(1),
                "{pair:?}"
            );
        }
        assert!(Grade::Possible.confidence(3) < Grade::Possible.confidence(2));
    }
}
