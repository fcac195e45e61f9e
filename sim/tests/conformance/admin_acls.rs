//! Access control: entries are created, found and deleted, and they count; quotas and features.
//!
//! Needs a cluster with an authorizer that allows what nothing is said about; the entries of these
//! tests are about topics of their own.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use milena_client::admin::{
    Acl, AclFilter, AclName, AclOperation, AclResourceType, ChangeMode, QuotaChange, QuotaEntity,
    QuotaEntityType, QuotaMatch,
};
use milena_client::producer::{ProducerConfig, Record};
use milena_client::{Admin, Error, ErrorCode};
use milena_sim::target::{Target, eventually, on_target, unique};

async fn found(admin: &Admin, filter: &AclFilter) -> Result<Vec<Acl>, Error> {
    admin.describe_acls(filter).await
}

/// Whether entries can be made here at all; a cluster without an authorizer says so.
pub(crate) async fn has_authorizer(target: &Target) -> Result<bool> {
    match found(&target.admin(), &AclFilter::any()).await {
        Err(error) if error.code() == Some(ErrorCode::SecurityDisabled) => {
            eprintln!("left out: the cluster has no authorizer");
            Ok(false)
        }
        outcome => Ok(outcome.map(|_| true)?),
    }
}

async fn until_found(admin: &Admin, filter: &AclFilter, expected: &[Acl]) -> Result<()> {
    eventually(&format!("{expected:?} are found"), async || {
        let found = found(admin, filter).await?;
        Ok((found == expected).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_created_found_and_deleted() -> Result<()> {
    on_target(async |target| {
        if !has_authorizer(&target).await? {
            return Ok(());
        }
        let admin = target.admin();
        let name = unique("acl");
        let topic = AclResourceType::Topic;
        let read = Acl::allow("User:ann", AclOperation::Read, topic, &name);
        let write = Acl::allow("User:bob", AclOperation::Write, topic, &name).denied();
        let all = Acl::allow("User:ann", AclOperation::All, topic, &name[..8]).prefixed();
        let broken = Acl::allow("nobody", AclOperation::Read, topic, &name);
        let asked = [read.clone(), write.clone(), all.clone(), broken];
        let mut created = admin.create_acls(&asked).await?;
        let refused = created.pop().context("four results")?;
        let error = refused.expect_err("a principal has a type");
        assert_eq!(error.code(), Some(ErrorCode::InvalidRequest), "{error}");
        for result in created {
            result?;
        }
        admin.create_acls(&asked[..1]).await?.remove(0)?;

        let literal = AclFilter::any().resource(topic, AclName::Literal(name.clone()));
        until_found(&admin, &literal, &[read.clone(), write.clone()]).await?;
        let matching = AclFilter::any().resource(topic, AclName::Match(name.clone()));
        until_found(
            &admin,
            &matching,
            &[all.clone(), read.clone(), write.clone()],
        )
        .await?;
        let of_bob = matching.clone().principal("User:bob");
        until_found(&admin, &of_bob, std::slice::from_ref(&write)).await?;

        let filters = [AclFilter::exactly(&write), literal.clone()];
        let deleted = admin.delete_acls(&filters[..1]).await?.remove(0)?;
        assert_eq!(deleted, [write]);
        let deleted = admin.delete_acls(&filters[1..]).await?.remove(0)?;
        assert_eq!(deleted, [read]);
        until_found(&admin, &matching, std::slice::from_ref(&all)).await?;
        let deleted = admin
            .delete_acls(&[AclFilter::exactly(&all)])
            .await?
            .remove(0)?;
        assert_eq!(deleted, [all]);
        until_found(&admin, &matching, &[]).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_count() -> Result<()> {
    on_target(async |target| {
        if !has_authorizer(&target).await? {
            return Ok(());
        }
        let admin = target.admin();
        let name = target.topic("guarded", 1).await?;
        let topic = AclResourceType::Topic;
        let me = "User:ANONYMOUS";
        let producer = target.producer(ProducerConfig::default())?;
        producer.send(Record::to(&name).value("before")).await?;
        let acls = [
            Acl::allow(me, AclOperation::All, topic, &name),
            Acl::allow(me, AclOperation::Write, topic, &name).denied(),
        ];
        for result in admin.create_acls(&acls).await? {
            result?;
        }
        eventually("writing is denied", async || {
            match producer.send(Record::to(&name).value("denied")).await {
                Ok(_) => Ok(None),
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains("TOPIC_AUTHORIZATION_FAILED"), "{text}");
                    Ok(Some(()))
                }
            }
        })
        .await?;
        // What is not denied stays allowed.
        let reader = target.reader(&name, 1).await?;
        milena_sim::target::take(&reader, 1).await?;
        reader.close().await?;
        admin
            .delete_acls(&[AclFilter::exactly(&acls[1])])
            .await?
            .remove(0)?;
        eventually("writing is allowed again", async || {
            let producer = target.producer(ProducerConfig::default())?;
            Ok(producer.send(Record::to(&name).value("after")).await.ok())
        })
        .await?;
        // Somebody else's permission leaves none for us.
        admin
            .delete_acls(&[AclFilter::exactly(&acls[0])])
            .await?
            .remove(0)?;
        let other = Acl::allow("User:somebody-else", AclOperation::All, topic, &name);
        admin
            .create_acls(std::slice::from_ref(&other))
            .await?
            .remove(0)?;
        eventually("the topic is out of sight", async || {
            let described = admin.describe_topics(&[&name]).await?.remove(0).1;
            let code = described.err().and_then(|error| error.code());
            Ok((code == Some(ErrorCode::TopicAuthorizationFailed)).then_some(()))
        })
        .await?;
        let filter = AclFilter::any().resource(topic, AclName::Literal(name.clone()));
        admin.delete_acls(&[filter]).await?.remove(0)?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_are_set_told_and_taken_back() -> Result<()> {
    on_target(async |target| {
        let admin = target.admin();
        let user = unique("user");
        let kind = QuotaEntityType::User;
        let entity: QuotaEntity = BTreeMap::from([(kind, Some(user.clone()))]);
        let change = |values: &[(&str, Option<f64>)]| QuotaChange {
            entity: entity.clone(),
            values: values
                .iter()
                .map(|(key, value)| ((*key).to_owned(), *value))
                .collect(),
        };
        let parts = [(kind, QuotaMatch::Exact(user.clone()))];
        let set = change(&[
            ("producer_byte_rate", Some(1e9)),
            ("request_percentage", Some(1_000.5)),
        ]);
        let checked = admin
            .alter_client_quotas(std::slice::from_ref(&set), ChangeMode::ValidateOnly)
            .await;
        assert!(checked[0].1.is_ok(), "{checked:?}");
        assert_eq!(admin.describe_client_quotas(&parts, false).await?, []);
        admin
            .alter_client_quotas(&[set], ChangeMode::Apply)
            .await
            .remove(0)
            .1?;
        let both = BTreeMap::from([
            ("producer_byte_rate".to_owned(), 1e9),
            ("request_percentage".to_owned(), 1_000.5),
        ]);
        eventually("the quotas are told", async || {
            let told = admin.describe_client_quotas(&parts, true).await?;
            Ok((told == [(entity.clone(), both.clone())]).then_some(()))
        })
        .await?;
        for wrong in [
            ("no_such_rate", Some(1.0)),
            ("producer_byte_rate", Some(-1.0)),
        ] {
            let mut refused = admin
                .alter_client_quotas(&[change(&[wrong])], ChangeMode::Apply)
                .await;
            let error = refused.remove(0).1.expect_err("it must be refused");
            assert_eq!(error.code(), Some(ErrorCode::InvalidRequest), "{error}");
        }
        let unset = change(&[("producer_byte_rate", None), ("request_percentage", None)]);
        admin
            .alter_client_quotas(&[unset], ChangeMode::Apply)
            .await
            .remove(0)
            .1?;
        eventually("the quotas are gone", async || {
            let told = admin.describe_client_quotas(&parts, false).await?;
            Ok(told.is_empty().then_some(()))
        })
        .await
    })
    .await
}
