-- What is counted of open alerts, without tests and drills: thousands of those may stand open after a test run.
CREATE INDEX alert_open_actual ON alert (workflow, severity) WHERE open = 1 AND status = 'actual';
CREATE INDEX alert_new_actual ON alert (severity, raised_at) WHERE workflow = 'new' AND status = 'actual';
DROP INDEX alert_new;
