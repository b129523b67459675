.PHONY: up down status test chaos lint bench bench-bot soak
up:    ## bring everything up and print where the page is
	./drover up
down:  ## end what up started; nothing is lost
	./drover down
status:
	./drover status
test:  ## everything, against real engines; sets up what it needs
	./ops/test.sh
chaos:  ## faults on a real cluster of six bots, five of each kind (half an hour); FLAGS="--rounds 1 --seed 7"
	.venv/bin/python -m tests.chaos $(FLAGS)
bench:  ## seconds from a start to the first order, and memory, on the running cluster
	./drover bench
bench-bot:  ## what a bot's way to the exchange costs, beside a bare loop of the SDK
	.venv/bin/python -m tests.bench.bot
lint:
	./ops/lint.sh
soak:  ## three bots on one wallet for five minutes: no order lost or doubled
	DROVER_SOAK_SECONDS=300 .venv/bin/python -m pytest tests/contract/test_one_wallet.py
