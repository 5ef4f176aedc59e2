-- Indexes of what would else be found by reading all there is: alerts of an area, the outbox as a person looks at it,
-- receipts of a span of time.
CREATE INDEX alert_by_area ON alert (area_code, first);
CREATE INDEX parcel_listed ON parcel (parked, sink);
CREATE INDEX receipt_by_time ON receipt (sink, committed_at, seq);
