select 1;
select current_version(), current_role(), current_warehouse();
select count(*) from ACME_DB.PUBLIC.ORDERS where CREATED_AT >= dateadd(day, -7, current_date());
select ID, CUSTOMER, AMOUNT from ACME_DB.PUBLIC.ORDERS where CUSTOMER = 'ada' order by CREATED_AT desc limit 50;
select date_trunc('day', o.CREATED_AT) as day, c.REGION, sum(o.AMOUNT) as revenue, count(distinct o.CUSTOMER_ID) as buyers
from ACME_DB.PUBLIC.ORDERS o join ACME_DB.PUBLIC.CUSTOMERS c on c.ID = o.CUSTOMER_ID
where o.STATUS in ('paid', 'shipped', 'delivered') and o.CREATED_AT between '2026-01-01' and '2026-03-31'
group by 1, 2 having sum(o.AMOUNT) > 1000 order by 1, 2;
with recent as (
  select CUSTOMER_ID, max(CREATED_AT) as last_order, sum(AMOUNT) as spent
  from ACME_DB.PUBLIC.ORDERS where CREATED_AT > dateadd(month, -6, current_timestamp()) group by CUSTOMER_ID
), ranked as (
  select r.*, row_number() over (partition by c.REGION order by r.spent desc) as place, c.REGION
  from recent r join ACME_DB.PUBLIC.CUSTOMERS c on c.ID = r.CUSTOMER_ID
)
select REGION, CUSTOMER_ID, spent, last_order from ranked where place <= 10 order by REGION, place;
select "ORDERS"."ID" as "id", "ORDERS"."CREATED_AT" as "created_at", "ORDERS"."AMOUNT" as "amount", "ORDERS"."STATUS" as "status" from "ACME_DB"."PUBLIC"."ORDERS" "ORDERS" where ("ORDERS"."STATUS" = 'open' and "ORDERS"."AMOUNT" >= 100.00) order by "id" asc limit 100 offset 200;
select TABLE_SCHEMA, TABLE_NAME, ROW_COUNT, BYTES, LAST_ALTERED from ACME_DB.INFORMATION_SCHEMA.TABLES where TABLE_TYPE = 'BASE TABLE' and TABLE_SCHEMA not in ('INFORMATION_SCHEMA') order by BYTES desc nulls last limit 200;
select COLUMN_NAME, DATA_TYPE, IS_NULLABLE, ORDINAL_POSITION from ACME_DB.INFORMATION_SCHEMA.COLUMNS where TABLE_SCHEMA = 'PUBLIC' and TABLE_NAME = 'ORDERS' order by ORDINAL_POSITION;
select e.EVENT_ID, e.PAYLOAD:user.id::string as user_id, e.PAYLOAD:items[0].sku::string as first_sku, f.value:price::number(10, 2) as price
from ACME_DB.RAW.EVENTS e, lateral flatten(input => e.PAYLOAD:items) f
where e.EVENT_TYPE = 'checkout' and e.RECEIVED_AT >= '2026-02-01'::timestamp_ntz and f.value:price::number(10, 2) > 20 limit 1000;
select CUSTOMER_ID, AMOUNT, lag(AMOUNT) over (partition by CUSTOMER_ID order by CREATED_AT) as previous, AMOUNT - lag(AMOUNT) over (partition by CUSTOMER_ID order by CREATED_AT) as change
from ACME_DB.PUBLIC.ORDERS where CUSTOMER_ID in (101, 102, 103, 104, 105, 106, 107, 108) qualify row_number() over (partition by CUSTOMER_ID order by CREATED_AT desc) <= 5;
select case when AMOUNT < 10 then 'small' when AMOUNT < 100 then 'medium' when AMOUNT < 1000 then 'large' else 'huge' end as bucket, count(*) as orders, round(avg(AMOUNT), 2) as average, percentile_cont(0.5) within group (order by AMOUNT) as median from ACME_DB.PUBLIC.ORDERS group by bucket order by orders desc;
select d.NAME, p.SUM_PAID from ACME_DB.PUBLIC.DEPARTMENTS d left join (select DEPARTMENT_ID, sum(PAID) as SUM_PAID from ACME_DB.FINANCE.INVOICES where STATE <> 'void' group by DEPARTMENT_ID) p on p.DEPARTMENT_ID = d.ID where p.SUM_PAID is null or p.SUM_PAID < 500 order by d.NAME;
select to_char(CREATED_AT, 'YYYY-MM') as month, sum(iff(STATUS = 'returned', AMOUNT, 0)) / nullif(sum(AMOUNT), 0) as return_rate from ACME_DB.PUBLIC.ORDERS where CREATED_AT >= dateadd(year, -1, current_date()) group by month order by month;
select a.SKU, a.TITLE, b.STOCK, coalesce(b.STOCK, 0) - coalesce(r.RESERVED, 0) as free_stock from ACME_DB.SHOP.ARTICLES a left join ACME_DB.SHOP.STOCKS b on b.SKU = a.SKU left join (select SKU, sum(QUANTITY) as RESERVED from ACME_DB.SHOP.RESERVATIONS where EXPIRES_AT > current_timestamp() group by SKU) r on r.SKU = a.SKU where a.IS_ACTIVE and a.CATEGORY like 'winter%' order by free_stock asc limit 25;
select * from ACME_DB.PUBLIC.SUPPORT_TICKETS where TITLE ilike '%refund%' and PRIORITY >= 3 and CLOSED_AT is null order by OPENED_AT limit 20;
select count(*) as n, count_if(EMAIL is null) as missing, approx_count_distinct(EMAIL) as distinct_emails, min(CREATED_AT) as oldest, max(CREATED_AT) as newest from ACME_DB.PUBLIC.CUSTOMERS;
select w.WEEK, w.SIGNUPS, sum(w.SIGNUPS) over (order by w.WEEK rows between unbounded preceding and current row) as so_far from (select date_trunc('week', CREATED_AT) as WEEK, count(*) as SIGNUPS from ACME_DB.PUBLIC.CUSTOMERS where REGION = 'north' group by 1) w order by w.WEEK;
select s.SESSION_ID, listagg(distinct s.PAGE, ' > ') within group (order by s.SEEN_AT) as path from ACME_DB.WEB.PAGE_VIEWS s where s.SEEN_AT::date = '2026-03-14' group by s.SESSION_ID having count(*) > 3 limit 500;
select 'orders' as source, count(*) as n from ACME_DB.PUBLIC.ORDERS union all select 'customers', count(*) from ACME_DB.PUBLIC.CUSTOMERS union all select 'invoices', count(*) from ACME_DB.FINANCE.INVOICES order by source;
select i.INVOICE_ID, i.CUSTOMER_ID, i.TOTAL, i.CURRENCY, i.TOTAL * x.RATE as total_eur, datediff(day, i.DUE_AT, current_date()) as days_late
from ACME_DB.FINANCE.INVOICES i join ACME_DB.FINANCE.RATES x on x.CURRENCY = i.CURRENCY and x.VALID_ON = i.ISSUED_AT::date
where i.PAID_AT is null and i.DUE_AT < current_date() and exists (select 1 from ACME_DB.PUBLIC.CUSTOMERS c where c.ID = i.CUSTOMER_ID and c.SEGMENT = 'enterprise')
order by days_late desc limit 100;
select * from (select REGION, STATUS, AMOUNT from ACME_DB.PUBLIC.ORDERS) pivot (sum(AMOUNT) for STATUS in ('open', 'paid', 'shipped')) as p order by REGION;
select m.EXPERIMENT, m.VARIANT, count(distinct m.USER_ID) as users, avg(m.CONVERTED::int) as conversion, stddev(m.VALUE) as spread from ACME_DB.LAB.MEASUREMENTS m where m.EXPERIMENT in ('checkout-button', 'free-shipping', 'new-search') and m.DAY between '2026-02-01' and '2026-02-28' group by m.EXPERIMENT, m.VARIANT order by m.EXPERIMENT, m.VARIANT;
select array_agg(object_construct('id', ID, 'amount', AMOUNT)) as recent from (select ID, AMOUNT from ACME_DB.PUBLIC.ORDERS where CUSTOMER_ID = 4711 order by CREATED_AT desc limit 10);
