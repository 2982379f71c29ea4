//! Keys are exchanged while tokens are minted and checked.

use super::{World, keys_in_state, kid_of};
use crate::revocation::SOON;
use tests::eventually;
use tests::gate::Gate;
use tests::user::User;

/// What became of fresh tokens at verifiers.
#[derive(Debug, Default)]
struct Verdicts {
    accepted: usize,
    asked_first: usize,
    other: Vec<u16>,
}

impl Verdicts {
    /// Refreshes and shows the token everywhere, until a refresh brings one of another key.
    async fn until_another_key_signs(&mut self, alice: &mut User, gates: &[Gate]) {
        let before = kid_of(&alice.access_token());
        eventually("another key signs", SOON, async || {
            alice.refreshes().await;
            let token = alice.access_token();
            for gate in gates {
                match gate.judges(&token).await {
                    answer if answer.status == 200 => self.accepted += 1,
                    answer if answer.problem() == Some("verifier-starting") => {
                        self.asked_first += 1;
                    }
                    answer => self.other.push(answer.status),
                }
            }
            kid_of(&token) != before
        })
        .await;
    }
}

#[tokio::test]
async fn no_good_token_is_refused_while_keys_are_exchanged() {
    let world = World::begins().await;
    let gates = [world.gate().await, world.gate().await];
    let mut alice = world.alice();
    alice.logs_in().await;
    let mut tokens = vec![alice.access_token()];
    let mut verdicts = Verdicts::default();

    // The next key was published long before: nobody even has to ask for it.
    let standby = keys_in_state(&world.service, "standby").await;
    world
        .service
        .settings()
        .must_run(&["keys", "rotate"], "")
        .await;
    verdicts.until_another_key_signs(&mut alice, &gates).await;
    assert_eq!(standby, [kid_of(&alice.access_token())]);
    println!("one rotation: {verdicts:?}");
    assert_eq!((verdicts.asked_first, verdicts.other.len()), (0, 0));
    tokens.push(alice.access_token());

    // In haste: verifiers have not read of the key, so they ask, and tell the client to wait.
    for _ in 0..2 {
        world
            .service
            .settings()
            .must_run(&["keys", "rotate"], "")
            .await;
        verdicts.until_another_key_signs(&mut alice, &gates).await;
        tokens.push(alice.access_token());
    }
    println!("and two in haste: {verdicts:?}");
    assert_eq!(
        verdicts.other, [0_u16; 0],
        "neither accepted nor told to wait"
    );

    // The old keys stay published while their tokens live.
    for gate in &gates {
        for token in &tokens {
            eventually("it is accepted", SOON, async || {
                gate.verdict(token).await == 200
            })
            .await;
        }
    }
    assert_eq!(keys_in_state(&world.service, "retired").await.len(), 3);
}
