#include "textflag.h"

#define ARCH_PRCTL 158
#define ARCH_SET_FS 0x1002

// sealift_enter calls start with the stack as the kernel made it, and then begins as
// every Go program does. The wrapper around a Go function loads a pointer from
// thread-local storage, which nobody has made yet; the runtime makes its own.
TEXT sealift_enter(SB), NOSPLIT|NOFRAME, $0
	MOVQ SP, BX
	MOVQ $ARCH_PRCTL, AX
	MOVQ $ARCH_SET_FS, DI
	LEAQ storage<>+64(SB), SI
	SYSCALL
	SUBQ $64, SP
	ANDQ $~15, SP
	MOVQ BX, 48(SP)
	MOVQ BX, 0(SP)
	CALL ·start(SB)
	MOVQ 48(SP), SP
	JMP _rt0_amd64_linux(SB)

GLOBL storage<>(SB), NOPTR, $128
