package main

import "context"

func write(ctx context.Context, o options) error { return nil }
