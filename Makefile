.PHONY: demo test install bench

demo: install
	@sh scripts/demo

test: install
	@sh scripts/check
	@sh scripts/test

bench: install
	@sh scripts/bench

install:
	@sh scripts/install
