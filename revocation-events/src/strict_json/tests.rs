//! What is read, and what is refused.

use super::*;

#[derive(Default, Debug)]
struct One {
    n: Option<u64>,
}

impl<'de> Members<'de> for One {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, members: &mut A) -> Result<bool, A::Error> {
        if name == "n" {
            self.n = Some(members.next_value::<Int53>()?.get());
        }
        Ok(name == "n")
    }
}

fn n(text: &str) -> Option<u64> {
    object::<One>(text.as_bytes()).ok().and_then(|one| one.n)
}

#[test]
fn unknown_members_are_passed_over() {
    assert_eq!(n(r#"{"a":[1,{"b":null}],"n":7,"z":"\u00e9"}"#), Some(7));
}

#[test]
fn a_member_that_stands_twice_is_refused_wherever_it_is() {
    for bad in [
        r#"{"n":1,"n":1}"#,
        r#"{"n":1,"\u006e":2}"#,
        r#"{"n":1,"x":0,"x":0}"#,
        r#"{"n":1,"x":{"y":0,"y":0}}"#,
        r#"{"n":1,"x":[{"y":0,"\u0079":0}]}"#,
    ] {
        assert_eq!(n(bad), None, "{bad}");
    }
}

#[test]
fn a_member_that_stands_twice_is_refused_however_many_there_are() {
    let name = |n: usize, escaped: bool| {
        let m = if escaped { "\\u006d" } else { "m" };
        format!("\"{m}{n}\":0")
    };
    let object_of = |members: &[String]| {
        let text = format!("{{{}}}", members.join(","));
        object::<One>(text.as_bytes()).is_ok()
    };
    for escaped in [false, true] {
        let members: Vec<_> = (0..40).map(|n| name(n, escaped && n % 3 == 0)).collect();
        assert!(object_of(&members));
        for n in 0..40 {
            for again in [false, true] {
                let twice = [&members[..], &[name(n, again)]].concat();
                assert!(!object_of(&twice), "{n}");
            }
        }
    }
}

#[test]
fn nesting_ends_at_the_limit() {
    let nested = |depth: usize| {
        format!(
            r#"{{"n":1,"x":{}{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert_eq!(n(&nested(MAX_DEPTH - 1)), Some(1));
    assert_eq!(n(&nested(MAX_DEPTH)), None);
    assert_eq!(n(&nested(100_000)), None);
}

#[test]
fn integers_are_written_as_integers() {
    for bad in [
        "1.0",
        "1e3",
        "-1",
        "\"1\"",
        "null",
        "true",
        "[1]",
        "9007199254740992",
        "1e400",
        "340282366920938463463374607431768211456",
    ] {
        assert_eq!(n(&format!(r#"{{"n":{bad}}}"#)), None, "{bad}");
    }
    assert_eq!(n(r#"{"n":9007199254740991}"#), Some(9_007_199_254_740_991));
}

#[test]
fn broken_text_is_refused_even_where_nobody_reads_it() {
    assert!(object::<One>(b"{\"n\":1,\"x\":\"\xff\"}").is_err());
    assert!(object::<One>(b"\xef\xbb\xbf{\"n\":1}").is_err());
    assert_eq!(n(r#"{"n":1} {"n":1}"#), None);
    assert_eq!(n(r#"[{"n":1}]"#), None);
}

#[test]
fn the_number_of_members_is_bounded() {
    let members: Vec<String> = (0..=MAX_MEMBERS).map(|i| format!("\"m{i}\":0")).collect();
    assert!(object::<One>(format!("{{{}}}", members.join(",")).as_bytes()).is_err());
    assert!(object::<One>(format!("{{{}}}", members[1..].join(",")).as_bytes()).is_ok());
}
