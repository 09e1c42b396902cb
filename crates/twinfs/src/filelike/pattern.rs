//! Patterns of names by the rules of `fnmatch`: `*` and `?` match `/`, too.
//!
//! Not `globset`: there a `?` is one byte, `{` and `**` are special, and `[^a]` excludes.

/// A compiled pattern.
pub(super) struct Pattern(Vec<Token>);

enum Token {
    /// This character.
    Char(char),
    /// `?`: any one character.
    Any,
    /// `*`: any characters, or none.
    Star,
    /// `[...]`: one of these, or with `!` none of these.
    Set { negated: bool, ranges: Vec<(char, char)> },
}

impl Token {
    fn takes(&self, candidate: char) -> bool {
        match self {
            Self::Char(own) => *own == candidate,
            Self::Any => true,
            Self::Star => false,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&candidate)) != *negated
            }
        }
    }
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text.chars();
        while let Some(next) = rest.next() {
            tokens.push(match next {
                '*' => Token::Star,
                '?' => Token::Any,
                '[' => match set(rest.as_str()) {
                    Some((token, after)) => {
                        rest = after.chars();
                        token
                    }
                    None => Token::Char('['),
                },
                other => Token::Char(other),
            });
        }
        Self(tokens)
    }

    /// What every name that matches begins with.
    pub(super) fn literal(&self) -> String {
        self.0
            .iter()
            .map_while(|token| if let Token::Char(own) = token { Some(*own) } else { None })
            .collect()
    }

    /// The one name that matches, if there is only one.
    pub(super) fn exact(&self) -> Option<String> {
        self.0.iter().map(|token| if let Token::Char(own) = token { Some(*own) } else { None }).collect()
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        let (mut next, mut rest) = (0, name);
        // Where to go on when what follows the last star does not fit: it takes one character more.
        let mut retry: Option<(usize, &str)> = None;
        loop {
            match self.0.get(next) {
                Some(Token::Star) => {
                    next += 1;
                    retry = Some((next, rest));
                    continue;
                }
                Some(token) => {
                    let mut chars = rest.chars();
                    if chars.next().is_some_and(|candidate| token.takes(candidate)) {
                        next += 1;
                        rest = chars.as_str();
                        continue;
                    }
                }
                None if rest.is_empty() => return true,
                None => {}
            }
            let Some((after_star, taken)) = &mut retry else { return false };
            let mut chars = taken.chars();
            if chars.next().is_none() {
                return false;
            }
            *taken = chars.as_str();
            (next, rest) = (*after_star, *taken);
        }
    }
}

/// The set that begins after a `[`, and what follows it; `None` where no `]` closes it.
fn set(text: &str) -> Option<(Token, &str)> {
    let negated = text.starts_with('!');
    let body = text.strip_prefix('!').unwrap_or(text);
    // A `]` that comes first belongs to the set.
    let from = usize::from(body.starts_with(']'));
    let end = from + body.get(from..)?.find(']')?;
    let (members, after) = (body.get(..end)?, body.get(end + 1..)?);
    let mut ranges = Vec::new();
    let mut rest = members.chars();
    while let Some(first) = rest.next() {
        let mut ahead = rest.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) => {
                rest = ahead;
                ranges.push((first, last));
            }
            _ => ranges.push((first, first)),
        }
    }
    Some((Token::Set { negated, ranges }, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern).matches(name)
    }

    #[test]
    fn stars_and_question_marks_cross_slashes() {
        for (pattern, name) in [
            ("*", ""),
            ("*", "a/b"),
            ("a*c", "a/b/c"),
            ("a?b", "a/b"),
            ("*.txt", "a/.txt"),
            ("?", "ä"),
            ("**", "a"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a*c", "a/b"), ("?", ""), ("?", "ab"), ("", "a"), ("**/a", "a"), ("A", "a")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn sets_are_those_of_fnmatch() {
        for (pattern, name) in [
            ("[a-c]", "b"),
            ("[!a-c]", "d"),
            ("[!a]", "/"),
            ("[]a]", "]"),
            ("[!]]", "a"),
            ("[^a]", "^"),
            ("[a-]", "-"),
            ("[-a]", "-"),
            ("[a-c-e]", "-"),
            ("[!c-a]", "b"),
            ("[\\]", "\\"),
            ("[", "["),
            ("[!", "[!"),
            ("[]", "[]"),
            ("{a,b}", "{a,b}"),
            ("[a-c]*[!x]", "b/y"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("[a-c]", "d"), ("[c-a]", "b"), ("[^a]", "b"), ("[a-c-e]", "d"), ("{a,b}", "a")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        assert!(!matches(&"*a".repeat(50), &"a".repeat(49)));
        assert!(matches(&"*a".repeat(50), &"ba".repeat(5000)));
    }

    #[test]
    fn what_is_literal_is_known() {
        assert_eq!(Pattern::new("a/b*c").literal(), "a/b");
        assert_eq!(Pattern::new("a/b*c").exact(), None);
        assert_eq!(Pattern::new("a[").exact().as_deref(), Some("a["));
    }
}
