use tests::Browser;

/// A page that needs no server.
const PAGE: &str = "data:text/html,<title>t</title><label for=name>Your name</label>\
    <input id=name value=old><button id=b>Greet</button><p id=said></p>\
    <script>b.onclick = () => said.textContent = `Hello, ${document.getElementById('name').value}`\
    </script>";

#[tokio::test]
async fn a_person_fills_in_presses_and_reads() {
    let browser = Browser::opens_at(PAGE).await;
    browser.fills("Your name", "alice").await;
    browser.presses("Greet").await;
    browser.shows("Hello, alice").await;
    let sum = browser
        .runs("return arguments[0] + await 1", &[2.into()])
        .await;
    assert_eq!(sum, 3);
    browser.runs("said.remove()", &[]).await;
    browser.hides("Hello").await;
}
