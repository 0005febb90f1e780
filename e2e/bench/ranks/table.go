package main

import "github.com/sealift/sealift/e2e/bench/report"

// newTable returns a table with ratios to the peers that take part.
func newTable(title, unit string) *report.Table {
	return &report.Table{Title: title, Unit: unit, Peers: []string{separate, joined, alone, peer, outside}}
}
