//! What a statement that the parser reads says of objects in clauses that it does not read.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::Command;
use super::cursor::Cursor;
use crate::statement::Scope;
use crate::statement::kind::Action;
use crate::statement::meaning::Meaning;
use crate::statement::object::Class;
use crate::statement::parse::Unreadable;

/// Reads which objects the options of COPY INTO and the clauses of CREATE TABLE name beside their tables and places,
/// and whether CREATE TABLE sets tags.
pub(in crate::statement) fn beside(
    text: &str,
    tokens: &[TokenWithSpan],
    scope: &Scope<'_>,
) -> Result<Meaning, Unreadable> {
    let mut command = Command::new(scope);
    let first = tokens.iter().find_map(|token| {
        let Token::Word(word) = &token.token else {
            return None;
        };
        Some(word.value.as_str())
    });
    match first {
        Some(word) if word.eq_ignore_ascii_case("COPY") => {
            command.of_copy(Cursor::new(text, tokens))?;
        }
        Some(word) if word.eq_ignore_ascii_case("CREATE") => {
            command.of_table(Cursor::new(text, tokens))?;
        }
        Some(_) | None => {}
    }
    Ok(command.meaning)
}

impl Command<'_> {
    fn of_copy(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        while cursor.peek().is_some() {
            let class = if cursor.eat("STORAGE_INTEGRATION") {
                Class::Integration
            } else if cursor.eat("FORMAT_NAME") || cursor.eat("FILE_FORMAT") {
                Class::Object
            } else {
                cursor.skip();
                continue;
            };
            let is_set = cursor.eat_sign(&Token::Eq) || cursor.eat_sign(&Token::RArrow);
            if !is_set || cursor.peek() == Some(&Token::LParen) {
                continue;
            }
            let names = cursor.name()?;
            if class == Class::Integration || names.len() > 1 {
                self.touch(Action::Read, class, names);
            }
        }
        Ok(())
    }

    /// Asks about policies and contacts that are named with their schema, which may be another's.
    fn of_table(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.tagged(cursor.clone());
        let mut contacts = cursor.clone();
        while cursor.find("JOIN POLICY") {
            self.elsewhere(&mut cursor)?;
        }
        while contacts.find("CONTACT") {
            let mut end = contacts.clone();
            end.brackets();
            let mut inside = contacts.clone().cut(&end);
            while inside.peek().is_some() {
                if inside.eat_sign(&Token::Eq) {
                    self.elsewhere(&mut inside)?;
                } else {
                    inside.skip();
                }
            }
            contacts = end;
        }
        Ok(())
    }

    fn elsewhere(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Unreadable> {
        let names = cursor.name()?;
        if names.len() > 1 {
            self.touch(Action::Read, Class::Object, names);
        }
        Ok(())
    }
}
