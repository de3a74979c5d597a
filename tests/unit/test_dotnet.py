"""Regular expressions and texts as .NET has them: translation, what is refused, UTF-16 code units."""

import pytest

from dimpflow.errors import LineError, RuleSetError
from dimpflow.fhirpath.dotnet import Pattern
from dimpflow.fhirpath.texts import substring


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        # anywhere in the text, cases differ
        ("b", "abc", True),
        ("B", "abc", False),
        ("^b", "abc", False),
        ("", "", True),
        # lines
        ("^a.c$", "abc", True),
        ("a.c", "a\nc", False),
        ("c$", "abc\n", True),
        ("c$", "abc\n\n", False),
        (r"c\Z", "abc\n", True),
        (r"c\z", "abc\n", False),
        (r"c\z", "abc", True),
        (r"\Ab", "abc", False),
        ("(?m)^c$", "ab\nc\nd", True),
        ("^c$", "ab\nc\nd", False),
        ("(?s)a.c", "a\nc", True),
        ("(?i)B", "abc", True),
        ("(?im)^C$", "ab\nc", True),
        ("a(?i:B)c", "abc", True),
        ("a(?i:B)C", "abc", False),
        # quantifiers
        ("^a{2}$", "aa", True),
        ("^a{2,}$", "aaaa", True),
        ("^a{2,3}$", "aaaa", False),
        ("^a{,3}$", "aaa", False),  # no quantifier in .NET
        ("^a{,3}$", "a{,3}", True),
        ("^a{x}$", "a{x}", True),
        ("^a{", "a{", True),
        ("^a+?b??$", "aa", True),
        # groups
        ("(?:ab)+", "abab", True),
        ("a(?=b)", "ac", False),
        ("a(?!b)", "ac", True),
        ("(?<=a)b", "ab", True),
        ("(?<!a)b", "ab", False),
        ("(?>a+)a", "aaa", False),
        ("a(?#a remark)b", "ab", True),
        ("(?<x>a|b)c", "bc", True),
        ("(?'x'a|b)c", "bc", True),
        (r"\(a\)", "(a)", True),
        # references to groups: unnamed ones are counted first
        (r"(a)\1", "aa", True),
        (r"(?<x>a)(b)\1", "abb", True),
        (r"(?<x>a)(b)\1", "aba", False),
        (r"(?<x>a)(b)\2", "aba", True),
        (r"(?<x>a)\k<x>", "aa", True),
        (r"(?'x'a)\k'x'", "aa", True),
        (r"(a)\k<1>", "aa", True),
        (r"[(](a)\1", "(aa", True),
        (r"\((a)\1", "(aa", True),
        (r"(a)\1{2}$", "aaa", True),
        # classes
        ("^[]a]+$", "]a", True),
        ("^[^]a]+$", "b]", False),
        ("^[a-c-]+$", "b-", True),
        ("^[[:alpha:]]+$", "a]", True),
        ("^[&&a]+$", "a&", True),
        ("^[~|]+$", "|~", True),
        (r"^[]\\^.\]]+$", "].^\\", True),
        (r"^[\d.]+$", "1.2", True),
        (r"^[\b]$", "\b", True),
        ("^[#]$", "#", True),
        ("a #b", "a #b", True),
        # codes
        (r"^\x41\u0042$", "AB", True),
        (r"^[\x41-\x43]+$", "ABC", True),
        (r"^\t\n\r\f\v\a\e$", "\t\n\r\f\v\a\x1b", True),
        (r"^\.\-\/\ $", ".-/ ", True),
        # categories, in ASCII too
        (r"^\p{Lu}\p{Ll}\p{N}$", "Aa1", True),
        (r"^\p{L}+$", "Ab", True),
        (r"^\P{L}$", "1", True),
        (r"^\P{L}$", "a", False),
        (r"^[^\p{Lu}]$", "A", False),
        (r"^[\P{Lu}]$", "a", True),
        (r"^\d\D\w\W\s\S$", "1aa- x", True),
        (r"\bb", "a b", True),
        (r"\Bb", "ab", True),
        (r"\w", "_", True),
        (r"\s", "\x1c", False),
        (r"\s", "\v", True),
    ],
)
def test_matches(pattern: str, text: str, expected: bool) -> None:
    assert Pattern(pattern).matches(text) is expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        # classes mean more than ASCII
        (r"^\d$", "٣", True),
        (r"^\d$", "²", False),
        (r"^\w$", "ä", True),
        (r"^\w$", "٣", True),
        (r"^\w$", "‿", True),
        (r"^\w$", "\u0301", True),
        (r"^\w$", "²", False),
        (r"^\w$", "Ⅷ", False),
        (r"^\W$", "²", True),
        (r"^\D$", "٣", False),
        (r"^\s$", "\x85", True),
        (r"^\s$", "\u2003", True),
        (r"^\s$", "\u200b", False),
        (r"^\S$", "\u00a0", False),
        (r"^[\w-]+$", "ä-b", True),
        (r"^[^\w]$", "ä", False),
        (r"^[\W]$", "ä", False),
        (r"^[\D]$", "ä", True),
        (r"^[^\s\d]$", "٣", False),
        (r"^\p{Lu}$", "Ä", True),
        (r"^\p{Lu}$", "ä", False),
        (r"^[^\P{L}]$", "ß", True),
        ("^[ä-ü]$", "ö", True),
        (r"^\u00e4$", "ä", True),
        (r"^\xe4$", "ä", True),
        ("(?i)Ä", "ä", True),
        # borders of words
        (r"\bä", "ä", True),
        (r"a\bä", "aä", False),
        (r"a\Bä", "aä", True),
        (r"ä\b-", "ä-", True),
        ("a\\b\u200d", "a\u200d", False),
        # code units of UTF-16
        ("^.$", "😀", False),
        ("^..$", "😀", True),
        ("^😀$", "😀", True),
        ("^a😀+$", "a😀", True),
        (r"^\ud83d\ude00$", "😀", True),
        (r"^\w+$", "𝒜", False),
        (r"^\P{L}+$", "𝒜", True),
        (r"^\p{Cs}\p{Cs}$", "😀", True),
        ("a", "😀", False),
    ],
)
def test_beyond_ascii(pattern: str, text: str, expected: bool) -> None:
    assert Pattern(pattern).matches(text) is expected


@pytest.mark.parametrize(
    ("pattern", "replacement", "text", "expected"),
    [
        ("b", "x", "abcb", "axcx"),
        ("b", "", "abcb", "ac"),
        ("y", "x", "abc", "abc"),
        (r"(\d\d)(\d\d)", "$2$1", "1234", "3412"),
        (r"(?<y>\d{4})-(?<m>\d\d)-(?<d>\d\d)", "${y}-${m}", "2020-05-06", "2020-05"),
        (r"(?<y>\d{4})-(\d\d)", "$1/$2", "2020-05", "05/2020"),  # the unnamed group is the first
        (r"(?<y>\d{4})-(\d\d)", "${1}${y}${2}", "2020-05", "0520202020"),
        (r"(?<y>a)(?<x>b)", "$2$1", "ab", "ba"),
        ("(a)|(b)", "[$1$2]", "ab", "[a][b]"),
        ("(a)?b", "[$1]", "b", "[]"),
        ("b", "$0$0", "abc", "abbc"),
        ("b", "${0}!", "abc", "ab!c"),
        ("b", "[$&]", "abc", "a[b]c"),
        ("b", "[$`]", "abc", "a[a]c"),
        ("b", "[$']", "abc", "a[c]c"),
        ("b", "[$_]", "abc", "a[abc]c"),
        ("b", "$$1", "abc", "a$1c"),
        ("(b)", "$$$1", "abc", "a$bc"),
        ("b", "$", "abc", "a$c"),
        ("b", "$x ${", "abc", "a$x ${c"),
        ("b", "$1", "abc", "a$1c"),  # no such group
        ("b", "${y}", "abc", "a${y}c"),
        ("(b)", "$10", "abc", "a$10c"),
        ("(b)", "${1}0", "abc", "ab0c"),
        ("(b)", "$01", "abc", "abc"),
        ("b", r"\1\n", "abc", r"a\1\nc"),
        ("x*", "-", "ab", "-a-b-"),
        ("a*", "-", "baac", "-b--c-"),
        ("^", "-", "ab", "-ab"),
        # beyond ASCII
        ("ä", "$&$&", "xäy", "xääy"),
        (r"\w+", "<$&>", "größe 1", "<größe> <1>"),
        (r"(?<b>\w)-(\w)", "$1-${b}", "ä-ö", "ö-ä"),
        ("a", "😀", "abc", "😀bc"),
        ("a", "ä", "abc", "äbc"),
        ("b", "$`|$'", "ä😀bö", "ä😀ä😀|öö"),
        ("^.", "", "😀b", "�b"),  # half of a pair cannot stay
        (".", "-", "😀", "--"),
        ("😀", "x", "a😀b", "axb"),
    ],
)  # fmt: skip
def test_replacing(pattern: str, replacement: str, text: str, expected: str) -> None:
    assert Pattern(pattern).replacer(replacement)(text) == expected


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[", "a character class without its end"),
        ("[a", "a character class without its end"),
        ("[]", "a character class without its end"),
        ("[^]", "a character class without its end"),
        ("[a-z-[aeiou]]", "subtraction in character classes is not supported"),
        ("a++", "a quantifier after a quantifier"),
        ("a{2}{3}", "a quantifier after a quantifier"),
        ("a???", "a quantifier after a quantifier"),
        ("(?P<x>a)", "the group (?P<... is not supported"),
        ("(?x)a", "the group (?x)... is not supported"),
        ("a(?i)b", "the group (?i)... is not supported"),
        ("(?n:a)", "the group (?n:... is not supported"),
        ("(?<1>a)", "the group (?<1... is not supported"),
        ("(?<a-b>c)", "the group (?<a... is not supported"),
        ("(?(1)a|b)", "the group (?(1... is not supported"),
        ("(?-i:a)", "the group (?-i... is not supported"),
        (r"a\1", r"\1 refers to no group"),
        (r"(a)\2", r"\2 refers to no group"),
        (r"(a)\k<x>", r"\k<x> refers to no group"),
        (r"\0", r"\0 refers to no group"),
        (r"\G", r"the escape \G is not supported here"),
        (r"\cA", r"the escape \c is not supported here"),
        (r"\q", r"the escape \q is not supported here"),
        (r"\_", r"the escape \_ is not supported here"),
        (r"\x4", r"the escape \x is not supported here"),
        (r"\u004", r"the escape \u is not supported here"),
        (r"\p{IsGreek}", r"the escape \p is not supported here"),
        (r"\pL", r"the escape \p is not supported here"),
        (r"\p{Xx}", "the category Xx is not supported"),
        (r"[\B]", r"the escape \B is not supported here"),
        (r"[\A]", r"the escape \A is not supported here"),
        ("a\\", "the escape \\ is not supported here"),
        ("(a", "missing ), unterminated subpattern at position 0"),
        ("a)", "unbalanced parenthesis at position 1"),
        ("*a", "nothing to repeat at position 0"),
        ("(?<=a+)b", "look-behind requires fixed-width pattern"),
        ("(?<x>a)(?<x>b)", "redefinition of group name 'x' as group 2; was group 1"),
        ("[b-a]", "bad character range b-a at position 1"),
        (r"[ä-\d]", "bad character range"),
    ],
)
def test_patterns_that_are_refused(pattern: str, reason: str) -> None:
    with pytest.raises(RuleSetError) as error:
        Pattern(pattern)
    assert str(error.value).startswith(f"the regular expression cannot be used: {reason}")


def test_a_replacement_that_is_refused() -> None:
    with pytest.raises(
        RuleSetError, match=r"^\$\+ in a replacement is not supported; name the group: \$\{name\}$"
    ):
        Pattern("(a)").replacer("$+")
    assert Pattern("(a)").replacer("$$+")("a") == "$+"


@pytest.mark.parametrize(
    ("text", "start", "length", "expected"),
    [
        ("abc", 0, None, "abc"),
        ("abc", 1, 1, "b"),
        ("abc", 2, 5, "c"),
        ("abc", 0, 0, ""),
        ("abc", 3, None, None),
        ("abc", -1, None, None),
        ("", 0, None, None),
        ("äöü", 1, 1, "ö"),
        ("äöü", 3, 1, None),
        ("äöü", -1, 1, None),
        ("😀x", 2, None, "x"),
        ("😀x", 0, 2, "😀"),
        ("😀x", 0, 1, "�"),
        ("😀x", 1, None, "�x"),
        ("😀x", 3, None, None),
    ],
)
def test_substring(text: str, start: int, length: int | None, expected: str | None) -> None:
    assert substring(text, start, length) == expected


def test_substring_of_a_negative_length() -> None:
    for text in ("abc", "ä"):
        with pytest.raises(LineError, match="negative number of characters"):
            substring(text, 0, -1)
