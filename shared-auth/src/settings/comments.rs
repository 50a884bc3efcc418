//! Comments in JSON, as `appsettings.json` may have them: they become blanks, so that lines and columns stay the same.

/// The text with `// …` and `/* … */` outside of strings blanked out.
pub(super) fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut in_string = false;
    while let Some(c) = rest.next() {
        match (c, in_string, rest.peek()) {
            ('\\', true, Some(_)) => {
                out.push(c);
                out.extend(rest.next());
            }
            ('"', _, _) => {
                in_string = !in_string;
                out.push(c);
            }
            ('/', false, Some('/')) => {
                out.push(' ');
                while rest.peek().is_some_and(|c| *c != '\n') {
                    rest.next();
                    out.push(' ');
                }
            }
            ('/', false, Some('*')) => {
                out.push_str("  ");
                rest.next();
                let mut last = ' ';
                for c in rest.by_ref() {
                    out.push(if c == '\n' { c } else { ' ' });
                    if last == '*' && c == '/' {
                        break;
                    }
                    last = c;
                }
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn comments_become_blanks_and_strings_stay() {
        assert_eq!(
            blanked("{ // a\n\"b\": \"http://c\" /* d\n*/ }"),
            "{     \n\"b\": \"http://c\"     \n   }"
        );
        assert_eq!(blanked(r#"{"a\"//": "\\"} // x"#), r#"{"a\"//": "\\"}     "#);
        assert_eq!(blanked("/* open"), "       ");
    }

    proptest! {
        #[test]
        fn no_character_moves(text in "[ -~\n]{0,100}") {
            let blanked = blanked(&text);
            prop_assert_eq!(blanked.chars().count(), text.chars().count());
            prop_assert_eq!(blanked.lines().count(), text.lines().count());
        }
    }
}
