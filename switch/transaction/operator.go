package transaction

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"
)

// Role is what an operator may do (handbook 2.1): a bit each, so that one person may hold several. Nobody approves his own act, whatever
// his roles.
type Role uint16

const (
	RoleCashier       Role = 1 << iota // 出纳: cash desk, receipts and payments
	RoleCards                          // 卡务: cards and accounts
	RoleAccountant                     // 会计: subsidies, deductions, adjustments, sheets
	RoleApprover                       // 审核: the second person
	RoleReader                         // 查询: reads everything, changes nothing
	RoleAdministrator                  // 管理: operators, rules
	rolesAll          = 1<<6 - 1
)

var roleNames = [...]string{"cashier", "cards", "accountant", "approver", "reader", "administrator"}

// String lists the roles: "cashier,approver".
func (r Role) String() string {
	var names []string
	for i, name := range roleNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// ParseRoles reads what String prints; ok is false for an unknown or empty list.
func ParseRoles(list string) (roles Role, ok bool) {
	for name := range strings.SplitSeq(list, ",") {
		i := slices.Index(roleNames[:], strings.TrimSpace(name))
		if i < 0 {
			return 0, false
		}
		roles |= 1 << i
	}
	return roles, roles != 0
}

// OperatorRow registers an operator, or changes what he may do.
type OperatorRow struct {
	Code      string // at most 20 bytes
	Roles     Role
	Suspended bool
	// TokenHash is the SHA-256 of his token, 32 random bytes that are shown once: a hash of something that cannot be guessed need not be slow.
	TokenHash [sha256.Size]byte
}

// Operator is a registered operator (操作员).
type Operator struct {
	Code      string
	Roles     Role
	Suspended bool
	TokenHash [sha256.Size]byte
}

// Holds says whether the token is his.
func (o *Operator) Holds(token []byte) bool {
	sum := sha256.Sum256(token)
	return subtle.ConstantTimeCompare(sum[:], o.TokenHash[:]) == 1
}
