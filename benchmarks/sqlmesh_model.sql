MODEL (
  name lake.user_metrics,
  kind INCREMENTAL_BY_TIME_RANGE (time_column date, lookback 2),
  cron '@daily'
);

WITH dates AS (
  SELECT UNNEST(GENERATE_SERIES(@start_date::DATE, @end_date::DATE, INTERVAL 1 DAY))::DATE AS date
),
users AS (
  SELECT
    id, email,
    updated_at::DATE AS valid_from,
    MIN(created_at::DATE) OVER (PARTITION BY id) AS signed_up,
    COALESCE(LEAD(updated_at::DATE) OVER (PARTITION BY id ORDER BY updated_at), '9999-12-31'::DATE) AS valid_to
  FROM lake.users
),
orders AS (
  SELECT * FROM lake.orders
  QUALIFY ROW_NUMBER() OVER (PARTITION BY id ORDER BY updated_at DESC) = 1
),
daily AS (
  SELECT
    orders.user_id, GREATEST(orders.created_at::DATE, signed_up.date) AS date,
    COUNT(CASE WHEN orders.status = 'completed' THEN 1 END) AS order_count,
    SUM(orders.amount) AS total_spent,
    MAX(CASE WHEN orders.status = 'completed' THEN orders.created_at END) AS last_order_at
  FROM orders
  INNER JOIN (SELECT id, MIN(signed_up) AS date FROM users GROUP BY id) AS signed_up ON orders.user_id = signed_up.id
  WHERE orders.status <> 'cancelled'
  GROUP BY orders.user_id, GREATEST(orders.created_at::DATE, signed_up.date)
),
totals AS (
  SELECT
    dates.date, daily.user_id,
    SUM(daily.order_count) AS order_count,
    SUM(daily.total_spent) AS total_spent,
    MAX(daily.last_order_at) AS last_order_at,
    SUM(CASE WHEN daily.date = dates.date THEN daily.order_count END) AS daily_order_count,
    SUM(CASE WHEN daily.date = dates.date THEN daily.total_spent END) AS daily_total_spent
  FROM dates
  INNER JOIN daily ON daily.date <= dates.date
  GROUP BY dates.date, daily.user_id
)
SELECT
  dates.date,
  users.id AS user_id,
  users.email,
  COALESCE(totals.order_count, 0)::BIGINT AS order_count,
  COALESCE(totals.total_spent, 0)::DECIMAL(18, 2) AS total_spent,
  totals.total_spent::DOUBLE / NULLIF(totals.order_count, 0)::DOUBLE AS avg_order_value,
  totals.last_order_at,
  COALESCE(totals.daily_order_count, 0)::BIGINT AS daily_order_count,
  COALESCE(totals.daily_total_spent, 0)::DECIMAL(18, 2) AS daily_total_spent,
  RANK() OVER (PARTITION BY dates.date ORDER BY COALESCE(totals.total_spent, 0) DESC) AS spending_rank
FROM dates
INNER JOIN users ON dates.date >= users.valid_from AND dates.date < users.valid_to
LEFT JOIN totals ON users.id = totals.user_id AND dates.date = totals.date
WHERE dates.date BETWEEN @start_date AND @end_date
