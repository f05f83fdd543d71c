-- A tenant's oldest reports are looked up beside the oldest of others.
DROP INDEX queue_reported;
CREATE INDEX queue_reported ON queue (tenant_id, ended_at) WHERE state = 'reported';
