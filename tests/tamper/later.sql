-- What applications do once the tables are sources.

SELECT write_events(20001, 30000, clock_timestamp()), write_payments(20001, 25010, clock_timestamp()),
       write_packages(12001, 14000, clock_timestamp()), write_accounts(12001, 14000, clock_timestamp()),
       write_stock(12001, 14000);

-- Honest changes. Of 500, an earlier state is known; 600 to 699 are gone.
UPDATE account SET balance = balance + 1, owner = 'New ' || owner WHERE id BETWEEN 500 AND 599;
DELETE FROM account WHERE id BETWEEN 600 AND 699;
UPDATE stock SET quantity = quantity + 1 WHERE sku IN (SELECT 'SKU-' || n FROM generate_series(500, 599) AS n);
DELETE FROM stock WHERE sku IN (SELECT 'SKU-' || n FROM generate_series(600, 699) AS n);

SELECT count(pgtally.append(('Line ' || n)::bytea)) FROM generate_series(1, 5000) AS n;
