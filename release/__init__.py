"""`make dist` and `make release`: what is shipped is built once, from the files that git has, checked, and tried."""
