-- A purchase as an engineer at home in PostgreSQL would write it: one call, one transaction, as few rows and indexes as can be. The purse
-- and the day's counters are in one row, with room on its page for updates that touch no index. Codes are those of ISO 8583 DE 39.

create table terminal (
	id       int primary key,
	merchant int not null,
	open     boolean not null
);

create table merchant (
	id      int primary key,
	balance bigint not null
) with (fillfactor = 10);

create table holder (
	id          int primary key,
	state       smallint not null, -- 0: active
	balance     bigint not null check (balance >= 0),
	counted     date not null,
	day_count   int not null,
	day_amount  bigint not null,
	most_count  int not null,
	most_amount bigint not null
) with (fillfactor = 50);

create table card (
	number  bigint primary key,
	holder  int not null,
	state   smallint not null, -- 0: active
	expires date not null
);

create sequence reference cache 100;

create table journal (
	terminal  int not null,
	batch     int not null,
	trace     int not null,
	reference bigint not null,
	card      bigint not null,
	amount    bigint not null,
	code      smallint not null,
	balance   bigint not null,
	made      timestamptz not null,
	primary key (terminal, batch, trace)
);

create table posting (
	reference bigint not null,
	account   bigint not null, -- holders below 0, merchants above
	debit     bigint not null,
	credit    bigint not null
);

-- hot: the merchant's balance is a row, too; otherwise it is the sum of his postings. What most purchases are goes through in four
-- statements; only for one that is refused is it asked why, in the order of the switch.
create function purchase(in the_terminal int, in the_batch int, in the_trace int, in the_card bigint, in the_amount bigint, in hot boolean,
	out code smallint, out reference bigint, out balance bigint) language plpgsql as $$
declare
	known record;
	today date := current_date;
	who   int;
	shop  int;
begin
	select j.card, j.amount, j.code, j.reference, j.balance into known from journal j where j.terminal = the_terminal and j.batch = the_batch and j.trace = the_trace;
	if found then
		code := case when known.card = the_card and known.amount = the_amount then known.code else 94 end;
		reference := known.reference;
		balance := known.balance;
		return;
	end if;
	update holder h set
		balance = h.balance - the_amount, counted = today,
		day_count = case when h.counted = today then h.day_count else 0 end + 1,
		day_amount = case when h.counted = today then h.day_amount else 0 end + the_amount
	from card c, terminal t
	where c.number = the_card and h.id = c.holder and t.id = the_terminal and t.open
		and c.state = 0 and h.state = 0 and c.expires >= today
		and case when h.counted = today then h.day_count else 0 end < h.most_count
		and case when h.counted = today then h.day_amount else 0 end + the_amount <= h.most_amount
		and h.balance >= the_amount
	returning h.balance, h.id, t.merchant into balance, who, shop;
	if found then
		code := 0;
	else
		select coalesce(case
			when not exists (select from terminal t where t.id = the_terminal and t.open) then 3
			when c.state <> 0 or h.state <> 0 then 62
			when c.expires < today then 54
			when h.counted = today and h.day_count >= h.most_count then 65
			when case when h.counted = today then h.day_amount else 0 end + the_amount > h.most_amount then 61
			else 51 end, 14), h.balance into code, balance
		from card c join holder h on h.id = c.holder where c.number = the_card;
		code := coalesce(code, 14);
		balance := coalesce(balance, 0);
	end if;
	reference := nextval('reference');
	insert into journal values (the_terminal, the_batch, the_trace, reference, the_card, the_amount, code, balance, clock_timestamp());
	if code = 0 then
		insert into posting values (reference, -who, the_amount, 0), (reference, shop, 0, the_amount);
		if hot then -- last, so that the row is held no longer than it must be
			update merchant m set balance = m.balance + the_amount where m.id = shop;
		end if;
	end if;
end $$;
