// Package squashfs reads SquashFS 4.0 images.
package squashfs
