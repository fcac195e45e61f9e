-- One row a message of the topic. `identity` is what makes a message the same when it comes again:
-- its id, or where and when it was written.
CREATE TABLE notifications (
    id              {growing id},
    identity        TEXT   NOT NULL UNIQUE,
    user_id         TEXT   NOT NULL,
    event           TEXT   NOT NULL,
    content         TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    attempts        BIGINT NOT NULL DEFAULT 0,
    sent_at         BIGINT,
    last_error      TEXT
);

CREATE INDEX notifications_unsent ON notifications (created_at, id) WHERE sent_at IS NULL;
