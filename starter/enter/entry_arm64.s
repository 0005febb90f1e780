#include "textflag.h"

// sealift_enter calls start with the stack as the kernel made it, and then begins as
// every Go program does.
TEXT sealift_enter(SB), NOSPLIT|NOFRAME, $0
	MOVD RSP, R19
	SUB  $64, RSP
	MOVD R19, 48(RSP)
	MOVD R19, 8(RSP)
	MOVD ZR, g
	CALL ·start(SB)
	MOVD 48(RSP), R19
	MOVD R19, RSP
	JMP  _rt0_arm64_linux(SB)
