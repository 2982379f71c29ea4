//! What a user agent calls itself, in words by which its user knows it again.

use woothee::parser::Parser;

const UNKNOWN: &str = "UNKNOWN";

/// `Firefox on Windows`; nothing where nothing of it is known. None of the words is the client's own.
pub(super) fn words(user_agent: &str) -> Option<String> {
    let found = Parser::new().parse(user_agent)?;
    let program = match found.name {
        UNKNOWN => None,
        "SamsungBrowser" => Some("Samsung Internet"),
        // A library that programs make calls with is named in the place of its version.
        "HTTP Library" => return Some(found.version.to_owned()).filter(|name| name != UNKNOWN),
        name => Some(name),
    };
    // Browsers write an old version of it by now, whatever the system is.
    let system = match found.os {
        UNKNOWN => None,
        "Mac OSX" => Some("macOS"),
        "iOS" => Some("an iPhone or iPad"),
        os if os.starts_with("Windows") => Some("Windows"),
        os => Some(os),
    };
    match (program, system) {
        (Some(program), Some(system)) => Some(format!("{program} on {system}")),
        (Some(only), None) => Some(only.to_owned()),
        (None, Some(system)) => Some(format!("An app on {system}")),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn browsers_and_programs_of_today_are_known() {
        for (agent, expected) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
                "Chrome on Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
                "Safari on iPad",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
                "Chrome on ChromeOS",
            ),
            ("curl/7.88.1", "curl"),
            (
                "MyApp/3.1 CFNetwork/1494.0.7 Darwin/23.4.0",
                "An app on an iPhone or iPad",
            ),
        ] {
            assert_eq!(words(agent).as_deref(), Some(expected), "{agent}");
        }
    }

    #[test]
    fn what_a_stranger_writes_is_not_repeated() {
        let markup = "<img src=x onerror=alert(1)>";
        for agent in [
            markup.to_owned(),
            format!("{markup} (Windows NT 10.0) Chrome/{markup}"),
            format!("Mozilla/5.0 ({markup}) Firefox/{markup}"),
            format!("Mozilla/5.0 (X11; {markup}; Linux) {markup}/1"),
            format!("curl/{markup}"),
            format!("{markup}(compatible; bot)"),
            "x".repeat(100_000),
            String::new(),
        ] {
            let words = words(&agent).unwrap_or_default();
            assert!(!words.contains('<') && words.len() < 64, "{agent}: {words}");
        }
    }
}
