-- Those that were sent long ago are found without looking at all.
CREATE INDEX notifications_sent ON notifications (sent_at) WHERE sent_at IS NOT NULL;
