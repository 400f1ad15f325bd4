//! How long a key is good, and what is known of its use.

use quittance::app::AppError;
use quittance::app::auth::Administered;
use quittance::app::setup::api_keys::{self, KeyWish};
use reqwest::StatusCode;
use time::Duration;

use super::{make, read, serving, text, wish};
use crate::support::{Wishes, eventually};

#[tokio::test]
async fn a_key_is_refused_from_the_moment_on_that_it_was_given_until() {
    let test = serving(Wishes::default()).await;
    let now = test.application().app().clock.now();
    let (_, key) = make(
        &test,
        &KeyWish {
            expires_at: Some(now + Duration::milliseconds(1_500)),
            ..wish()
        },
    )
    .await;
    read(&test, &key).await.expect(StatusCode::OK);
    eventually(async || match read(&test, &key).await.status {
        StatusCode::UNAUTHORIZED => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
    let late = test.application().app().clock.now() - now;
    assert!(late >= Duration::milliseconds(1_500), "{late}");
}

#[tokio::test]
async fn a_key_that_would_be_over_or_may_do_nothing_is_not_made() {
    let test = serving(Wishes::default()).await;
    let (app, by) = (
        test.application().app(),
        Administered::at_the_command_line(test.merchant),
    );
    let over = KeyWish {
        expires_at: Some(app.clock.now()),
        ..wish()
    };
    let idle = KeyWish {
        scopes: Vec::new(),
        ..wish()
    };
    for (wish, wanted) in [(over, "expires_at"), (idle, "scopes")] {
        let refused = api_keys::create(app, &by, &wish).await.unwrap_err();
        assert!(
            matches!(refused, AppError::Invalid { field, .. } if field == wanted),
            "{refused}"
        );
    }
    assert_eq!(test.count("api_key").await, 1);
}

#[tokio::test]
async fn a_rolled_key_goes_on_beside_the_new_one_until_the_overlap_is_over() {
    let test = serving(Wishes::default()).await;
    let (app, by) = (
        test.application().app(),
        Administered::at_the_command_line(test.merchant),
    );
    let now = app.clock.now();
    let (id, old) = make(
        &test,
        &KeyWish {
            expires_at: Some(now + Duration::days(90)),
            networks: "127.0.0.0/8".parse().unwrap(),
            ..wish()
        },
    )
    .await;
    read(&test, &old).await.expect(StatusCode::OK);
    let made = api_keys::roll(app, &by, id, Duration::seconds(2)).await.unwrap();
    let new = text(&made);
    read(&test, &old).await.expect(StatusCode::OK);
    read(&test, &new).await.expect(StatusCode::OK);
    eventually(async || match read(&test, &old).await.status {
        StatusCode::UNAUTHORIZED => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
    read(&test, &new).await.expect(StatusCode::OK);

    let was = api_keys::get(app, &by, id).await.unwrap();
    assert_eq!(was.rolled_to, Some(made.key.id));
    assert_eq!(
        (&made.key.name, &made.key.scopes, &made.key.networks),
        (&was.name, &was.scopes, &was.networks)
    );
    let lives = made.key.expires_at.unwrap() - made.key.created_at;
    assert_eq!(
        lives.whole_minutes(),
        Duration::days(90).whole_minutes() - i64::from(lives < Duration::days(90))
    );
    let again = api_keys::roll(app, &by, id, Duration::ZERO).await.unwrap_err();
    assert!(
        matches!(
            again,
            AppError::Refused {
                code: "key_ended",
                ..
            }
        ),
        "{again}"
    );
}

#[tokio::test]
async fn a_key_that_leaked_is_rolled_without_an_overlap() {
    let test = serving(Wishes::default()).await;
    let (app, by) = (
        test.application().app(),
        Administered::at_the_command_line(test.merchant),
    );
    let (id, old) = make(&test, &wish()).await;
    read(&test, &old).await.expect(StatusCode::OK);
    let made = api_keys::roll(app, &by, id, Duration::ZERO).await.unwrap();
    read(&test, &old).await.expect(StatusCode::UNAUTHORIZED);
    read(&test, &text(&made)).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn the_use_of_a_key_is_noted_a_little_later_and_once_a_minute_at_most() {
    let test = serving(Wishes::default()).await;
    let (app, by) = (
        test.application().app(),
        Administered::at_the_command_line(test.merchant),
    );
    let (id, key) = make(&test, &wish()).await;
    let (unused, _) = make(&test, &wish()).await;
    let before = app.clock.now();
    read(&test, &key).await.expect(StatusCode::OK);
    let noted = eventually(async || {
        let used = api_keys::get(app, &by, id).await.unwrap().last_used_at;
        used.ok_or("not noted".to_owned())
    })
    .await;
    assert!(noted >= before - Duration::seconds(1), "{noted} {before}");
    // Written again only when a minute has passed: the version of the row stays.
    let version = async || -> String {
        sqlx::query_scalar("select xmin::text from api_key where id = $1")
            .bind(id)
            .fetch_one(&test.db)
            .await
            .unwrap()
    };
    let first = version().await;
    for _ in 0..20 {
        read(&test, &key).await.expect(StatusCode::OK);
    }
    // Another key that is noted shows that whatever waited was written.
    let (other, other_key) = make(&test, &wish()).await;
    read(&test, &other_key).await.expect(StatusCode::OK);
    eventually(async || {
        let used = api_keys::get(app, &by, other).await.unwrap().last_used_at;
        used.ok_or("not noted".to_owned())
    })
    .await;
    assert_eq!(version().await, first);
    assert_eq!(api_keys::get(app, &by, unused).await.unwrap().last_used_at, None);

    sqlx::query("update api_key set last_used_at = last_used_at - interval '1 hour', networks = '{127.0.0.1/32}' where id = $1")
        .bind(id)
        .execute(&test.db)
        .await
        .unwrap();
    eventually(async || {
        read(&test, &key).await.expect(StatusCode::OK);
        let used = api_keys::get(app, &by, id).await.unwrap().last_used_at.unwrap();
        if used >= noted {
            Ok(())
        } else {
            Err(used.to_string())
        }
    })
    .await;
}
