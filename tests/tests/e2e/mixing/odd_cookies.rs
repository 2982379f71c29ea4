//! Cookies that somebody planted (RFC 6265bis, section 8.6), and headers that contradict each other.

use super::calls::refusal;
use super::people::{ACCESS, CSRF, Owner, People, SESSION};
use reqwest::{Method, RequestBuilder};
use tests::user::Answer;

/// A request's header lines, and what becomes of them.
#[derive(Clone)]
struct Case {
    what: &'static str,
    headers: Vec<(&'static str, String)>,
    /// Whom `GET /session`, `GET /sessions`, a refresh and a gate take the caller for.
    verdicts: [&'static str; 4],
}

/// Everything with a `Cookie` header of its own.
fn cookies(what: &'static str, cookies: &[&str], verdicts: [&'static str; 4]) -> Case {
    let headers = cookies
        .iter()
        .map(|cookies| ("cookie", (*cookies).to_owned()));
    Case {
        what,
        headers: headers.collect(),
        verdicts,
    }
}

/// All but a refresh, which needs the session cookie, and the session's CSRF value beside it.
const ALICE: [&str; 4] = ["1", "1", "1", "1"];
const BOB: [&str; 4] = ["B", "B", "B", "B"];
const TWO: [&str; 4] = ["two", "two", "two", "two"];
const NOBODY: [&str; 4] = ["missing", "missing", "missing", "missing"];

fn planted(people: &People) -> Vec<Case> {
    let pair = |name: &str, token: Option<String>| format!("{name}={}", token.unwrap());
    let a = pair(ACCESS, people.access_token(Owner::First));
    let s = pair(SESSION, people.session_token(Owner::First));
    let bobs_a = pair(ACCESS, people.access_token(Owner::Bob));
    let bobs_s = pair(SESSION, people.session_token(Owner::Bob));
    let bobs = people.access_token(Owner::Bob).unwrap();
    let bobs_session = people.session_token(Owner::Bob).unwrap();
    let good = format!("{a}; {s}");
    let beside = |planted: String| format!("{planted}; {good}; {planted}");
    let crowd: Vec<_> = (0..100).map(|n| format!("c{n}={n}")).collect();
    vec![
        cookies("as a browser sends them", &[&good], ALICE),
        cookies("in the other order", &[&format!("{s}; {a}")], ALICE),
        cookies("each in a header of its own", &[&a, &s], ALICE),
        cookies(
            "no space after the semicolon",
            &[&format!("{a};{s}")],
            ALICE,
        ),
        cookies("among a hundred others", &[&crowd.join("; "), &good], ALICE),
        cookies("nothing in between", &[&format!(";;{a}; ;{s};")], ALICE),
        cookies(
            "attributes of long ago",
            &[&format!("$Version=1; {good}; $Path=/")],
            ALICE,
        ),
        // Two of one name: one of them may have been planted, and their order says nothing.
        cookies("an access cookie twice", &[&format!("{good}; {a}")], TWO),
        cookies(
            "another's access cookie first",
            &[&format!("{bobs_a}; {good}")],
            TWO,
        ),
        cookies(
            "another's access cookie last",
            &[&format!("{good}; {bobs_a}")],
            TWO,
        ),
        cookies("another's in a header of its own", &[&good, &bobs_a], TWO),
        cookies("an empty one too", &[&format!("{good}; {ACCESS}=")], TWO),
        cookies(
            "spaces around its name",
            &[&format!("{good};\t {ACCESS} =x")],
            TWO,
        ),
        cookies(
            "a session cookie twice",
            &[&format!("{good}; {s}")],
            ["two", "two", "two", "1"],
        ),
        cookies(
            "another's session cookie first",
            &[&bobs_s, &good],
            ["two", "two", "two", "1"],
        ),
        // Names that only look alike: no browser guards them, so they are other cookies.
        cookies("no name", &[&beside(format!("={ACCESS}={bobs}"))], ALICE),
        cookies("no name alone", &[&format!("={ACCESS}={bobs}")], NOBODY),
        cookies("a name without a value", &[ACCESS, SESSION], NOBODY),
        cookies(
            "small letters",
            &[&beside(
                bobs_a.to_lowercase().replace(&bobs.to_lowercase(), &bobs),
            )],
            ALICE,
        ),
        cookies(
            "small letters alone",
            &[&format!(
                "__host-http-access={bobs}; __secure-session={bobs_session}"
            )],
            NOBODY,
        ),
        cookies(
            "mixed letters",
            &[&beside(format!(
                "__SeCuRe-session={bobs_session}; __HOST-HTTP-ACCESS={bobs}"
            ))],
            ALICE,
        ),
        cookies(
            "mixed letters alone",
            &[&format!(
                "__SeCuRe-session={bobs_session}; __HOST-HTTP-ACCESS={bobs}"
            )],
            NOBODY,
        ),
        cookies(
            "another prefix",
            &[&format!(
                "__Host-access={bobs}; __Host-session={bobs_session}; access={bobs}; session={bobs_session}"
            )],
            NOBODY,
        ),
        cookies(
            "an escaped name",
            &[&beside(format!("__Host%2DHttp-access={bobs}"))],
            ALICE,
        ),
        cookies(
            "a quoted name",
            &[&beside(format!("\"{ACCESS}\"={bobs}"))],
            ALICE,
        ),
        cookies(
            "a space of Unicode before the name",
            &[&beside(format!(
                "\u{a0}{ACCESS}={bobs}; \u{2003}{SESSION}={bobs_session}"
            ))],
            ALICE,
        ),
        // Values that are no token.
        cookies(
            "an empty access cookie",
            &[&format!("{ACCESS}=")],
            ["invalid", "invalid", "missing", "invalid"],
        ),
        cookies(
            "a quoted token",
            &[&format!("{ACCESS}=\"{bobs}\"")],
            ["invalid", "invalid", "missing", "invalid"],
        ),
        cookies(
            "a comma in between",
            &[&format!("{a}, {s}")],
            ["invalid", "invalid", "missing", "invalid"],
        ),
        cookies(
            "exchanged",
            &[&format!("{ACCESS}={bobs_session}; {SESSION}={bobs}")],
            ["ended", "invalid", "ended", "invalid"],
        ),
        // An access cookie that does not read is nobody's; a session cookie that does not read is none.
        cookies(
            "a spoilt access cookie",
            &[&format!("{ACCESS}=x; {s}")],
            ["1", "invalid", "1", "invalid"],
        ),
        cookies(
            "a spoilt session cookie",
            &[&format!("{a}; {SESSION}=x")],
            ["ended", "invalid", "ended", "1"],
        ),
    ]
}

fn headers(people: &People) -> Vec<Case> {
    let bearer = |owner| {
        let token = people.access_token(owner).unwrap();
        ("authorization", format!("Bearer {token}"))
    };
    let session = people.session_token(Owner::First).unwrap();
    let cookie = format!(
        "{ACCESS}={}; {SESSION}={session}",
        people.access_token(Owner::First).unwrap()
    );
    let with_cookies = |what, headers: Vec<_>, verdicts| Case {
        what,
        headers: [vec![("cookie", cookie.clone())], headers].concat(),
        verdicts,
    };
    let refresh_is_missing =
        |[show, list, _, gate]: [&'static str; 4]| [show, list, "missing", gate];
    vec![
        // An `Authorization` header is judged alone; a refresh does not judge it, but takes no
        // cookie beside it.
        with_cookies(
            "Bob's header",
            vec![bearer(Owner::Bob)],
            refresh_is_missing(BOB),
        ),
        with_cookies(
            "a bad header",
            vec![("authorization", "Bearer x".to_owned())],
            ["invalid", "invalid", "missing", "invalid"],
        ),
        with_cookies(
            "another scheme",
            vec![("authorization", "Basic b3JkZXJzOng=".to_owned())],
            NOBODY,
        ),
        with_cookies(
            "two headers",
            vec![bearer(Owner::First), bearer(Owner::First)],
            refresh_is_missing(TWO),
        ),
        with_cookies(
            "a session token in the header",
            vec![("authorization", format!("Bearer {session}"))],
            ["invalid", "invalid", "missing", "invalid"],
        ),
        // The value is proof in a header alone: whatever a cookie holds, a browser sends by itself.
        with_cookies(
            "another CSRF value beside the right one",
            vec![("x-csrf-token", people.csrf_value(Owner::Bob).unwrap())],
            ["1", "1", "csrf", "1"],
        ),
    ]
}

/// A browser shows the CSRF cookie of its session, which nobody can plant.
fn csrf_cookies(people: &People) -> Vec<Case> {
    let session = people.session_token(Owner::First).unwrap();
    let own = people.csrf_value(Owner::First).unwrap();
    let bobs = people.csrf_value(Owner::Bob).unwrap();
    let access = people.access_token(Owner::First).unwrap();
    let case = |what, cookies: String, verdicts| Case {
        what,
        headers: vec![
            ("cookie", cookies),
            ("sec-fetch-site", "same-origin".to_owned()),
        ],
        verdicts,
    };
    let ended = ["ended", "missing", "ended", "missing"];
    let alone = ["1", "missing", "1", "missing"];
    let session = format!("{SESSION}={session}");
    vec![
        case("its own", format!("{session}; {CSRF}={own}"), alone),
        case("none", session.clone(), ended),
        case("Bob's", format!("{session}; {CSRF}={bobs}"), ended),
        case("cut", format!("{session}; {CSRF}={}", &own[1..]), ended),
        case(
            "two",
            format!("{CSRF}={bobs}; {session}; {CSRF}={own}"),
            ["two", "missing", "two", "missing"],
        ),
        case(
            "none, beside an access cookie that nobody could plant",
            format!("{session}; {ACCESS}={access}"),
            ["ended", "1", "ended", "1"],
        ),
    ]
}

async fn verdicts(people: &People, case: &Case) -> [String; 4] {
    let with = |mut request: RequestBuilder| {
        for (name, value) in &case.headers {
            request = request.header(*name, value.as_bytes());
        }
        let csrf = people.csrf_value(Owner::First).unwrap();
        request
            .header("x-csrf-token", csrf)
            .header("idempotency-key", "one successor for all of them")
            .header("x-original-method", "GET")
    };
    let api = |method, path: &str| {
        let url = format!("{}{path}", people.service.url());
        Answer::of(with(people.http.request(method, url)))
    };
    let name = |letter: String| match letter.as_str() {
        // A session that was logged in again in between would be a stranger's.
        "1" | "B" => letter,
        _ => panic!("{}: {letter}", case.what),
    };
    let told = |answer: &Answer, id: Option<&str>| {
        refusal(answer).unwrap_or_else(|| name(people.letter_of(id.unwrap())))
    };
    let show = api(Method::GET, "/session").await;
    let list = api(Method::GET, "/sessions").await;
    let refresh = api(Method::POST, "/session/refresh").await;
    let gate = Answer::of(with(people.http.get(people.gate.url("/verify")))).await;
    let items = list.body["items"].as_array().into_iter().flatten();
    let current = items.into_iter().find(|item| item["current"] == true);
    [
        told(&show, show.body["session"]["id"].as_str()),
        told(&list, current.and_then(|item| item["id"].as_str())),
        told(&refresh, refresh.body["session"]["id"].as_str()),
        told(
            &gate,
            gate.headers
                .get("x-session-id")
                .map(|id| id.to_str().unwrap()),
        ),
    ]
}

#[tokio::test]
async fn planted_cookies_and_second_headers_change_nothing_or_are_refused() {
    let people = People::meet().await;
    let cases = [planted(&people), headers(&people), csrf_cookies(&people)].concat();
    let mut wrong = Vec::new();
    for case in &cases {
        let found = verdicts(&people, case).await;
        if found != case.verdicts {
            wrong.push(format!("{}: {found:?}, not {:?}", case.what, case.verdicts));
        }
    }
    println!(
        "{} requests of four kinds, {} wrong",
        cases.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(people.who_is_out().await.is_empty());
}
