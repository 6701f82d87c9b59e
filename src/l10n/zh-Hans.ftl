## Dates

date = { $year }年{ $month }{ $day }日 { $time }（UTC）
day-1 = 1
month-1 = 1月
month-2 = 2月
month-3 = 3月
month-4 = 4月
month-5 = 5月
month-6 = 6月
month-7 = 7月
month-8 = 8月
month-9 = 9月
month-10 = 10月
month-11 = 11月
month-12 = 12月

## Mails

greeting = 您好！
invitation-next = 请点击按钮接受邀请，并确认此邮箱地址属于您。
invitation-next-link = 要接受邀请并确认此邮箱地址属于您，请在浏览器中打开以下链接：
invitation-button = 接受邀请
link-fallback = 如果按钮无法使用，请将以下链接复制到浏览器中打开：
referral-code = 推荐码：{ $code }
invitation-expires = 邀请有效期至 { $date }。
invitation-unexpected = 如果您没有预料到会收到这封邮件，请忽略它：只要您不接受，就不会发生任何事情，也不会确认任何账户。

## Invite

invite-subject = 邀请您加入 { $app }
invite-subject-from = { $inviter } 邀请您加入 { $app }
invite-preheader = 确认您的邮箱地址，即可开始使用。
invite-what = 您已受邀加入 { $app }。
invite-what-from = { $inviter } 邀请您加入 { $app }。

## Referral

referral-subject = 有人向您推荐 { $app }
referral-subject-from = { $inviter } 向您推荐 { $app }
referral-preheader = 只需片刻，欢迎来看看。
referral-what = 一位 { $app } 用户认为您也会喜欢它，特邀请您加入。
referral-what-from = { $inviter } 正在使用 { $app }，认为您也会喜欢它，特邀请您加入。

## The end of a referral

opt-out = 不再接收 { $app } 用户的邀请
opt-out-link = 要不再接收 { $app } 用户的邀请，请在浏览器中打开以下链接：

## The page behind that link

opt-out-ask-heading = 不再接收 { $app } 的邀请？
opt-out-ask-text = 此后 { $app } 的用户将无法再向您发送邀请。没有人会得知此事。
opt-out-button = 不再邀请我
opt-out-done-heading = 您将不再收到邀请
opt-out-done-text = { $app } 的用户已无法再向您的邮箱地址发送邀请。您现在可以关闭本页面。
opt-out-undo = 重新允许邀请
opt-out-undone-heading = 已重新允许邀请
opt-out-undone-text = { $app } 的用户可以重新向您的邮箱地址发送邀请。

## The page behind the link

open-heading = 欢迎加入 { $app }
open-address = 此邀请已发送至 { $address }。
open-note = 接受邀请即表示您确认此邮箱地址属于您。
unexpected-page = 如果您没有预料到会收到此邀请，只需关闭本页面：不会发生任何事情。
accepted-heading = 谢谢！
accepted-text = 您的邮箱地址已确认。欢迎加入 { $app }！您现在可以关闭本页面。
already-heading = 邀请已被接受
already-text = 您之前已接受加入 { $app } 的邀请，无需再进行任何操作。
expired-heading = 此邀请已过期
expired-text = 请点击按钮，将加入 { $app } 的新邀请发送至同一地址。
renew = 发送新的邮件
renewed-heading = 请查看您的邮箱
renewed-text = 加入 { $app } 的新邀请将发送至受邀地址；如刚刚已发送，则不会重复发送。
unknown-heading = 此链接无效
unknown-text = 链接可能不完整，或者邀请已被撤回。请检查您打开的是否为邮件中的完整链接。
member-heading = 您已有账户
member-text = 此邮箱地址已属于 { $app } 的一个账户。请照常登录。
trouble-heading = 请稍后再试
trouble-text = 我们这边目前出现了一些问题。您的邀请不会丢失。

## The mail that confirms a new address

confirmation-subject = 请确认您在 { $app } 的新邮箱地址
confirmation-preheader = 只需点击一下按钮。
confirmation-what = 您的 { $app } 账户填写了此邮箱地址。
confirmation-next = 请点击按钮，确认此邮箱地址属于您。
confirmation-next-link = 要确认此邮箱地址属于您，请在浏览器中打开以下链接：
confirmation-button = 确认邮箱地址
confirmation-expires = 链接有效期至 { $date }。
confirmation-unexpected = 如果您没有预料到会收到这封邮件，请忽略它：该地址将保持未确认状态。

## The mail to the former address

notice-subject = 您在 { $app } 的邮箱地址已更改
notice-preheader = 如果是您本人操作，则无需再做任何事。
notice-what = 您的 { $app } 账户现在使用另一个邮箱地址。此前使用的是本地址。
notice-next = 如果是您本人更改的，则无需再做任何事。
notice-unexpected = 如果不是您本人操作，请立即联系 { $app }。
notice-contact = 如果不是您本人操作，请立即写信至 { $address }。

## The mail to who has an address that another user asked for

taken-subject = 您的邮箱地址在 { $app } 被再次填写
taken-preheader = 没有任何更改。
taken-what = 有人为 { $app } 的另一个账户填写了此邮箱地址。此地址属于您的账户，并将保持不变。
taken-next = 如果是您本人操作，请为另一个账户选择其他地址。
taken-unexpected = 如果不是您本人操作，则无需做任何事。如果再次发生，请联系 { $app }。
taken-contact = 如果不是您本人操作，则无需做任何事。如果再次发生，请写信至 { $address }。

## The page that confirms a new address

confirm-heading = 这是您的邮箱地址吗？
confirm-address = 您的 { $app } 账户填写了 { $address }。
confirm-unexpected = 如果您没有预料到此事，只需关闭本页面：不会发生任何事情。
confirmed-text = 您的邮箱地址已确认。您现在可以关闭本页面。
confirmed-before-heading = 地址已确认
confirmed-before-text = 您之前已确认此邮箱地址，无需再进行任何操作。
confirm-expired-heading = 此链接已过期
confirm-expired-text = 请向 { $app } 索取新的链接。
confirm-taken-heading = 此地址已无法使用
confirm-taken-text = 此地址现已属于 { $app } 的另一个账户。您的账户保留原来的地址。
confirm-unknown-text = 链接可能不完整，或者已被更新的链接或其他地址取代。请检查您打开的是否为最新邮件中的完整链接。
confirm-trouble-text = 我们这边目前出现了一些问题。您的链接不会丢失。
