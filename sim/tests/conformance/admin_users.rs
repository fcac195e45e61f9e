//! Passwords for SASL SCRAM: set, told of, deleted; never told.

use anyhow::{Context, Result};
use milena_client::admin::{ScramChange, ScramCredentialInfo, ScramMechanism};
use milena_client::{Admin, Error, ErrorCode};
use milena_sim::target::{eventually, on_target, unique};

async fn told(admin: &Admin, user: &str) -> Result<Vec<ScramCredentialInfo>, Error> {
    let mut results = admin.describe_scram_credentials(Some(&[user])).await?;
    results.remove(0).1
}

/// Waits until a broker tells these credentials: it follows the controller a moment later.
async fn until_told(admin: &Admin, user: &str, expected: &[(ScramMechanism, i32)]) -> Result<()> {
    eventually(&format!("{user} has {expected:?}"), async || {
        let told = match told(admin, user).await {
            Err(error) if error.code() == Some(ErrorCode::ResourceNotFound) => Vec::new(),
            told => told?,
        };
        let told: Vec<(ScramMechanism, i32)> = told
            .iter()
            .map(|info| (info.mechanism, info.iterations))
            .collect();
        Ok((told == expected).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_come_and_go() -> Result<()> {
    on_target(async |target| {
        use ScramMechanism::{Sha256, Sha512};
        let admin = target.admin();
        let (ann, bob) = (unique("ann"), unique("bob"));
        let changes = [
            ScramChange::set(&ann, Sha256, "secret"),
            ScramChange::set(&bob, Sha512, "secret").iterations(8_192),
        ];
        assert!(!format!("{changes:?}").contains("secret"));
        for (user, result) in admin.alter_scram_credentials(&changes).await? {
            result.context(user)?;
        }
        until_told(&admin, &ann, &[(Sha256, 4_096)]).await?;
        until_told(&admin, &bob, &[(Sha512, 8_192)]).await?;
        eventually("she is among all users", async || {
            let all = admin.describe_scram_credentials(None).await?;
            Ok(all.iter().any(|(user, _)| *user == ann).then_some(()))
        })
        .await?;

        // One after the other: Apache Kafka 3.9 loses what is set in a request that deletes as well.
        for change in [
            ScramChange::delete(&bob, Sha512),
            ScramChange::set(&ann, Sha512, "another"),
        ] {
            admin
                .alter_scram_credentials(&[change])
                .await?
                .remove(0)
                .1?;
        }
        until_told(&admin, &ann, &[(Sha256, 4_096), (Sha512, 4_096)]).await?;
        until_told(&admin, &bob, &[]).await?;

        let delete = |mechanism| ScramChange::delete(&ann, mechanism);
        for mechanism in [Sha256, Sha512] {
            let mut results = admin.alter_scram_credentials(&[delete(mechanism)]).await?;
            results.remove(0).1?;
        }
        until_told(&admin, &ann, &[]).await?;
        let mut again = admin.alter_scram_credentials(&[delete(Sha256)]).await?;
        let error = again.remove(0).1.expect_err("there is none");
        assert_eq!(error.code(), Some(ErrorCode::ResourceNotFound), "{error}");
        let weak = ScramChange::set(&ann, Sha256, "secret").iterations(1);
        let error = admin.alter_scram_credentials(&[weak]).await;
        assert!(matches!(error, Err(Error::Config { .. })));
        Ok(())
    })
    .await
}
