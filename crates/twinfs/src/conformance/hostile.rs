//! The table of hostile names, made from rules.

use std::collections::BTreeSet;

/// Names that someone who means harm, or an unusual program, would try: more than 500, each once,
/// always the same. Some are no paths at all, others are legal file names that must not be
/// mistaken for anything else.
///
/// ```
/// let names = twinfs::conformance::hostile_names();
/// assert!(names.len() >= 500);
/// assert!(names.iter().any(|name| name == "..%2f"));
/// ```
#[must_use]
pub fn hostile_names() -> Vec<String> {
    let mut names = BTreeSet::new();
    names.extend(climbing());
    names.extend(look_alikes());
    names.extend(encodings());
    names.extend(controls());
    names.extend(RESERVED.iter().map(ToString::to_string));
    names.extend(lengths());
    names.extend(MEANINGS_ELSEWHERE.iter().map(ToString::to_string));
    names.extend(unicode());
    names.into_iter().collect()
}

/// Ways up and around: `..` at every place, with every kind of slash.
fn climbing() -> impl Iterator<Item = String> {
    let dots = ["..", ".", "...", "....", "..;", ". .", " ..", ".. ", "..\t", "..\0", "..a", "a.."];
    let shapes: [fn(&str) -> String; 16] = [
        |dots| dots.to_owned(),
        |dots| format!("/{dots}"),
        |dots| format!("{dots}/"),
        |dots| format!("{dots}/etc/passwd"),
        |dots| format!("{dots}/{dots}/{dots}/etc/passwd"),
        |dots| format!("a/{dots}"),
        |dots| format!("a/{dots}/b"),
        |dots| format!("a/{dots}/{dots}/b"),
        |dots| format!("a//{dots}"),
        |dots| format!("./{dots}/a"),
        |dots| format!("{dots}\\etc\\passwd"),
        |dots| format!("a\\{dots}\\b"),
        |dots| format!("{dots}\\"),
        |dots| format!("\\{dots}"),
        |dots| format!("{dots}/\\{dots}"),
        |dots| format!("{dots}//{dots}"),
    ];
    let slashes = [
        "//a//b",
        "a//b",
        "a///b",
        "/a/./b",
        "a/.",
        "./a",
        "/./",
        "//./",
        "a/\\b",
        "\\\\server\\share\\x",
        "/\\/a",
    ];
    let climbs = dots.into_iter().flat_map(move |dots| shapes.into_iter().map(move |shape| shape(dots)));
    climbs.chain(slashes.map(String::from))
}

/// Characters that look like dots and slashes and are neither.
fn look_alikes() -> impl Iterator<Item = String> {
    let dots = [
        "\u{2024}", "\u{ff0e}", "\u{3002}", "\u{fe52}", "\u{b7}", "\u{2025}", "\u{2026}", "\u{6d4}",
        "\u{a4f8}",
    ];
    let slashes =
        ["\u{2044}", "\u{2215}", "\u{ff0f}", "\u{29f8}", "\u{ff3c}", "\u{2216}", "\u{fe68}", "\u{338}"];
    dots.into_iter().flat_map(move |dot| {
        slashes.into_iter().map(move |slash| format!("{dot}{dot}{slash}etc{slash}passwd")).chain([
            format!("{dot}{dot}"),
            format!("{dot}{dot}/a"),
            format!(".{dot}/a"),
        ])
    })
}

/// What a decoder would turn into something else; here every byte is literal.
fn encodings() -> impl Iterator<Item = String> {
    let dots =
        ["%2e", "%2E", "%252e", "%c0%ae", "%u002e", "%uff0e", "&#46;", "\\u002e", "\\x2e", "=2E", "+AC4-"];
    let slashes = ["%2f", "%2F", "%252f", "%c0%af", "%5c", "%255c", "%u2215", "&#47;", "\\x2f", "=2F", "/"];
    let pairs = dots
        .into_iter()
        .flat_map(move |dot| slashes.into_iter().map(move |slash| format!("{dot}{dot}{slash}x")));
    let more = [
        "..%2f",
        "%2e.%2f",
        ".%2e/a",
        "%00",
        "a%00b",
        "%0a",
        "a%0d%0ab",
        "%",
        "%%",
        "%zz",
        "%2",
        "%e0%80%ae",
        "%ff",
        "%2e%2e",
        "a+b",
        "a%20b",
        "%25",
        "%7e",
        "%3f",
        "%23",
    ];
    pairs.chain(more.map(String::from))
}

/// Every control character, at the start, inside and at the end.
fn controls() -> impl Iterator<Item = String> {
    let controls = (0..0x20).chain(0x7f..0xa0).filter_map(char::from_u32);
    controls.flat_map(|control| {
        [format!("{control}"), format!("a{control}b"), format!("a/b{control}"), format!("a.txt{control}.png")]
    })
}

/// The names of twinfs's own files, and names close to them.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    ".twinfs-", ".twinfs-x", ".twinfs-0123456789abcdef", "a/.twinfs-x", ".twinfs-x/a", "a/.twinfs-x/b",
    ".twinfs", ".twinfs.x", ".Twinfs-x", ".TWINFS-x", "twinfs-x", "..twinfs-x", ".twinfs_x", " .twinfs-x",
    ".twinfs\u{2010}x",
];

/// Around the limits, by bytes and not by characters.
fn lengths() -> impl Iterator<Item = String> {
    [
        "a".repeat(254),
        "a".repeat(256),
        "b".repeat(1000),
        "c".repeat(4097),
        "d".repeat(70_000),
        "\u{e9}".repeat(127),
        "\u{e9}".repeat(128),
        "\u{1f600}".repeat(63),
        "\u{1f600}".repeat(64),
        "e/".repeat(2100) + "f",
        format!("{}/{}", "g".repeat(256), "h"),
        format!("{}/{}", "i", "j".repeat(256)),
        vec!["k".repeat(255); 17].join("/"),
        "\u{301}".repeat(127),
    ]
    .into_iter()
}

/// Names that mean something to a shell, a database, a protocol or another system.
#[rustfmt::skip]
const MEANINGS_ELSEWHERE: &[&str] = &[
    " ", "  ", " a", "a ", " a ", "-", "--", "-rf", "--help", "-x=y", "~", "~root", "~/x", "$HOME", "${x}",
    "$(id)", "`id`", "a;id", "a|id", "a&b", "a>b", "a<b", "a\"b", "a'b", "'", "\"", "''", "a*b", "*", "?",
    "[a]", "[", "]", "{a,b}", "{", "!", "!!", "#", "a#b", "#include", "a?b=c", "a&b=c", "a=b", ",", "a,b",
    ":", "a:b", "::$DATA", "a::$DATA", "C:", "C:\\x", "C:/x", "c:x", "\\", "\\\\", "\\n", "\\0", "a\\",
    "\\a", "\\\\?\\C:\\x", "CON", "con", "NUL", "nul.txt", "PRN", "AUX", "COM1", "LPT1", "CLOCK$",
    "desktop.ini", "Thumbs.db", ".DS_Store", "._a", ".git", ".htaccess", ".env", ".ssh", ".hidden", ".",
    "a.", "a..", "a. ", ".a.", "..a", "...a", "file:///etc/passwd", "http://x/y", "https:", "data:,x",
    "javascript:alert(1)", "//x/y", "memory://x", "mailto:x", "<script>", "<a b='c'>", "&amp;", "&lt;",
    "' OR 1=1 --", "\"; DROP TABLE x; --", "%s", "%n%n", "%d", "{0}", "{{7*7}}", "${{7*7}}", "<%= 7 %>",
    "null", "None", "undefined", "true", "0", "-1", "1e309", "NaN", "..,..", "@", "@x", "a@b",
    "=cmd|' /C calc'!A0", "+1", "index.html", "proc", "/proc/self/environ", "/dev/null", "/etc/passwd",
    "lost+found", "a\u{a0}b", "core", "EOF", "a/b/../../c", "a/b/./c", "(a)", "a(1)", "a^b", "a`b",
];

/// Text that confuses those who show, compare or cut it.
fn unicode() -> impl Iterator<Item = String> {
    let marks = [
        '\u{200b}',
        '\u{200c}',
        '\u{200d}',
        '\u{200e}',
        '\u{200f}',
        '\u{202a}',
        '\u{202d}',
        '\u{202e}',
        '\u{2066}',
        '\u{2069}',
        '\u{feff}',
        '\u{fffd}',
        '\u{fffe}',
        '\u{ffff}',
        '\u{10ffff}',
        '\u{e000}',
        '\u{e0001}',
        '\u{2028}',
        '\u{2029}',
        '\u{a0}',
        '\u{3000}',
        '\u{1680}',
        '\u{ad}',
        '\u{34f}',
        '\u{180e}',
        '\u{fe0f}',
        '\u{300}',
        '\u{20dd}',
        '\u{fdfa}',
        '\u{1d173}',
    ];
    let marked = marks.into_iter().flat_map(|mark| {
        [mark.to_string(), format!("a{mark}b"), format!("{mark}.."), format!("a.txt{mark}")]
    });
    let texts = [
        "\u{1f600}",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "\u{1f1e9}\u{1f1ea}",
        "photo\u{202e}gpj.exe",
        "e\u{301}",
        "\u{e9}",
        "\u{212b}",
        "\u{fb01}",
        "ß",
        "ẞ",
        "İ",
        "ı",
        "ſ",
        "K",
        "日本語",
        "한국어",
        "\u{1112}\u{1161}\u{11ab}",
        "العربية",
        "עברית",
        "हिन्दी",
        "ไทย",
        "Ω",
        "𝕏",
        "ｆｕｌｌ",
        "a\u{301}\u{302}\u{303}\u{304}\u{305}",
        "𓀀",
        "\u{1d400}",
        "ǅ",
        "０",
        "①",
    ];
    marked.chain(texts.map(String::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_enough_of_both_kinds() {
        let names = hostile_names();
        let legal = names.iter().filter(|name| crate::FsPath::new(name).is_ok()).count();
        assert!(names.len() >= 500, "{}", names.len());
        assert!(legal > 200 && names.len() - legal > 200, "{legal} of {}", names.len());
    }
}
