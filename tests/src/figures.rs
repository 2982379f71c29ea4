//! What a server has counted.

/// All lines of the `/metrics` of the server at `url`.
///
/// # Panics
/// When it does not answer.
pub async fn figures(url: &str) -> String {
    let answer = match reqwest::get(format!("{url}/metrics")).await {
        Ok(answer) => answer,
        Err(error) => panic!("no figures: {error:?}"),
    };
    match answer.text().await {
        Ok(text) => text,
        Err(error) => panic!("half the figures: {error:?}"),
    }
}

/// The value of one of those lines: `name` is written as there, with its labels.
///
/// # Panics
/// When the server does not answer, or has no such line.
pub async fn figure(url: &str, name: &str) -> f64 {
    let text = figures(url).await;
    let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    match lines.find(|(found, _)| *found == name) {
        Some((_, value)) => value
            .parse()
            .unwrap_or_else(|error| panic!("{name}: {error}")),
        None => panic!("{name} is not in\n{text}"),
    }
}
