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

create table journal (
	terminal  int not null,
	batch     int not null,
	trace     int not null,
	reference bigint generated always as identity (cache 100),
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

-- hot: the merchant's balance is a row, too; otherwise it is the sum of his postings.
create function purchase(in the_terminal int, in the_batch int, in the_trace int, in the_card bigint, in the_amount bigint, in hot boolean,
	out code smallint, out reference bigint, out balance bigint) language plpgsql as $$
declare
	known  journal%rowtype;
	shop   int;
	c      card%rowtype;
	h      holder%rowtype;
	today  date := current_date;
begin
	select * into known from journal j where j.terminal = the_terminal and j.batch = the_batch and j.trace = the_trace;
	if found then
		code := case when known.card = the_card and known.amount = the_amount then known.code else 94 end;
		reference := known.reference;
		balance := known.balance;
		return;
	end if;
	select t.merchant into shop from terminal t where t.id = the_terminal and t.open;
	if not found then
		code := 3; balance := 0;
	else
		select * into c from card where number = the_card;
		if not found then
			code := 14; balance := 0;
		else
			select * into h from holder where id = c.holder for update;
			balance := h.balance;
			if h.counted <> today then
				h.day_count := 0;
				h.day_amount := 0;
			end if;
			code := case
				when c.state <> 0 or h.state <> 0 then 62
				when c.expires < today then 54
				when h.day_count >= h.most_count then 65
				when h.day_amount + the_amount > h.most_amount then 61
				when h.balance < the_amount then 51
				else 0 end;
		end if;
	end if;
	if code = 0 then
		balance := h.balance - the_amount;
		update holder x set balance = x.balance - the_amount, counted = today, day_count = h.day_count + 1, day_amount = h.day_amount + the_amount where x.id = c.holder;
		if hot then
			update merchant m set balance = m.balance + the_amount where m.id = shop;
		end if;
	end if;
	insert into journal (terminal, batch, trace, card, amount, code, balance, made)
		values (the_terminal, the_batch, the_trace, the_card, the_amount, code, balance, clock_timestamp()) returning journal.reference into reference;
	if code = 0 then
		insert into posting values (reference, -c.holder, the_amount, 0), (reference, shop, 0, the_amount);
	end if;
end $$;
