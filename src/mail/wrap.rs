//! Breaks the plain part of a mail into lines.

/// Maximum columns of the plain part (RFC 3676 advises at most 78).
pub(super) const WIDTH: usize = 72;

/// Breaks lines at spaces, and between wide letters, which are written without spaces. Any other word that is longer
/// than a line, such as a link, stays whole.
#[must_use]
pub fn wrap(text: &str) -> String {
    let mut wrapped = String::with_capacity(text.len() + 16);
    for line in text.lines() {
        let mut column = 0;
        for word in line.split_ascii_whitespace() {
            for (number, part) in parts(word).enumerate() {
                let width: usize = part.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum();
                let space = usize::from(number == 0 && column > 0);
                if column > 0 && column + space + width > WIDTH {
                    wrapped.push('\n');
                    column = 0;
                } else if space > 0 {
                    wrapped.push(' ');
                    column += 1;
                }
                wrapped.push_str(part);
                column += width;
            }
        }
        wrapped.push('\n');
    }
    wrapped
}

/// The parts of a word between which a line may break: not before closing punctuation, nor after opening brackets.
fn parts(mut word: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let ends = |(at, c): (usize, char)| {
            let at = at + c.len_utf8();
            let next = word[at..].chars().next()?;
            let may = (is_wide(c) || is_wide(next))
                && !matches!(c, '（' | '「' | '『')
                && !matches!(
                    next,
                    '。' | '、' | '，' | '！' | '？' | '：' | '；' | '）' | '」' | '』' | 'ー'
                );
            may.then_some(at)
        };
        let end = word.char_indices().find_map(ends).unwrap_or(word.len());
        let (part, rest) = word.split_at(end);
        word = rest;
        (!part.is_empty()).then_some(part)
    })
}

/// Whether a character takes two columns, as in Chinese, Japanese and Korean (UAX #11).
pub(super) fn is_wide(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}' | '\u{ff00}'..='\u{ff60}'
        | '\u{20000}'..='\u{3fffd}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wrap_only_at_spaces_and_between_wide_letters() {
        let long = "x".repeat(100);
        assert_eq!(wrap(&format!("a {long}\n\nb  c")), format!("a\n{long}\n\nb c\n"));
        let words = "word ".repeat(40);
        assert_eq!(wrap(&words).lines().map(str::len).collect::<Vec<_>>(), [69, 69, 59]);
        let wide = format!("{}。{}ab12（{}）", "あ".repeat(36), "い".repeat(34), "う".repeat(3));
        assert_eq!(
            wrap(&wide),
            format!("{}\nあ。{}\nab12（{}）\n", "あ".repeat(35), "い".repeat(34), "う".repeat(3))
        );
    }
}
