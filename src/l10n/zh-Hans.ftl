## The language, in itself

language-name = 简体中文

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
invitation-next = 点击按钮后，您可以在打开的页面中接受邀请。接受邀请的同时，即确认此邮箱地址属于您。
invitation-next-link = 要接受邀请并确认此邮箱地址属于您，请在浏览器中打开以下链接：
invitation-open = 查看邀请
invitation-button = 接受邀请
link-fallback = 如果按钮无法使用，请将以下链接复制到浏览器中打开：
referral-code = 推荐码：{ $code }
referral-code-note = 仅在不通过上方链接注册时需要此推荐码。
invitation-expires = 邀请有效期至 { $date }。
invitation-unexpected = 如果您不清楚为何收到这封邮件，直接忽略即可。只要您不接受邀请，就不会有任何影响。
sent-to = 此邮件已发送至 { $address }。
imprint = 法律信息
privacy = 隐私
contact = 联系 { $app }

## Invite

invite-subject = 邀请您加入 { $app }
invite-subject-from = { $inviter } 邀请您加入 { $app }
invite-preheader = 接受邀请，即可开始使用。
invite-what = 您已受邀加入 { $app }。
invite-what-from = { $inviter } 邀请您加入 { $app }。

## Referral

referral-subject = 有人向您推荐 { $app }
referral-subject-from = { $inviter } 向您推荐 { $app }
referral-preheader = 只需片刻，欢迎来看看。
referral-what = 一位 { $app } 用户认为您也会喜欢它，特邀请您加入。
referral-what-from = { $inviter } 正在使用 { $app }，认为您也会喜欢它，特邀请您加入。
referral-next = 点击按钮后，您可以在打开的页面中接受邀请。接受后，系统将为您创建账户，并确认此邮箱地址属于您。
referral-next-link = 要接受邀请、创建账户并确认此邮箱地址属于您，请在浏览器中打开以下链接：
referral-unexpected = 如果您不清楚为何收到这封邮件，直接忽略即可。只要您不接受邀请，就不会创建任何账户。

## The end of a referral

opt-out = 不再接收 { $app } 用户的邀请
opt-out-link = 如不想再接收 { $app } 用户的邀请，请在浏览器中打开以下链接：

## The page behind that link

opt-out-ask-heading = 不再接收 { $app } 的邀请？
opt-out-ask-text = 此后 { $app } 的用户将无法再向您发送邀请。我们不会通知任何人。
opt-out-button = 不再接收邀请
opt-out-done-heading = 您将不再收到邀请
opt-out-done-text = { $app } 的用户已无法再向您的邮箱地址发送邀请。
opt-out-undo = 重新允许邀请
opt-out-undone-heading = 已重新允许邀请
opt-out-undone-text = { $app } 的用户可以重新向您的邮箱地址发送邀请。

## The page behind the link

open-heading = 邀请您加入 { $app }
open-address = 此邀请已发送至 { $address }。
open-note = 接受邀请即表示您确认此邮箱地址属于您。
referral-note = 接受邀请即表示创建您的 { $app } 账户，并确认此邮箱地址属于您。
unexpected-page = 如果您不清楚为何收到此邀请，关闭本页面即可，不会有任何影响。
accepted-heading = 谢谢！
accepted-text = 您的邮箱地址已确认。欢迎加入 { $app }！
close-page = 您现在可以关闭本页面。
continue = 前往 { $app }
already-heading = 您已接受过此邀请
already-text = 您之前已接受加入 { $app } 的邀请，无需再进行任何操作。
expired-heading = 此邀请已过期
expired-text = 点击按钮，我们会将加入 { $app } 的新邀请发送至同一地址。
renew = 重新发送邀请
renewed-heading = 请查看您的邮箱
renewed-text = 加入 { $app } 的新邀请将发送至同一地址。如果刚刚已经发送过，请使用已收到的那一封。
unknown-heading = 此链接无效
unknown-text = 链接可能不完整，或者邀请已被撤回。请检查您打开的是否为邮件中的完整链接，或请对方重新邀请您。
link-unknown-text = 链接可能不完整。请检查您打开的是否为邮件中的完整链接。
member-heading = 您已有账户
member-text = 此邮箱地址已注册 { $app } 账户，请直接登录。
trouble-heading = 请稍后再试
trouble-text = 系统暂时出现问题。您的邀请不会丢失，请过几分钟再打开链接。

## The mail that confirms a new address

confirmation-subject = 请确认您在 { $app } 的新邮箱地址
confirmation-preheader = 只需片刻即可完成。
confirmation-what = 有人在 { $app } 账户中填写了此邮箱地址。
confirmation-next = 点击按钮后，您可以在打开的页面中确认此邮箱地址属于您。
confirmation-next-link = 要确认此邮箱地址属于您，请在浏览器中打开以下链接：
confirmation-button = 确认邮箱地址
confirmation-expires = 链接有效期至 { $date }。
confirmation-unexpected = 如果您不清楚为何收到这封邮件，直接忽略即可。该地址不会被确认。

## The mail to the former address

notice-subject = 您的 { $app } 账户的邮箱地址已更改
notice-preheader = 如果不是您本人操作，请立即联系我们。
notice-what = 您的 { $app } 账户已改用另一个邮箱地址，不再使用此地址。
notice-next = 如果是您本人更改的，则无需再做任何事。
notice-unexpected = 如果不是您本人操作，请立即联系 { $app }。
notice-contact = 如果不是您本人操作，请立即发送邮件至 { $address }。

## The mail to who has an address that another user asked for

taken-subject = 您的邮箱地址在 { $app } 被再次填写
taken-preheader = 没有任何更改。
taken-what = 有人为 { $app } 的另一个账户填写了此邮箱地址。此地址属于您的账户，并将保持不变。
taken-next = 如果是您本人操作，请为另一个账户选择其他地址。
taken-unexpected = 如果不是您本人操作，则无需做任何事。如果再次发生，请联系 { $app }。
taken-contact = 如果不是您本人操作，则无需做任何事。如果再次发生，请写信至 { $address }。

## The page that confirms a new address

confirm-heading = 这是您的邮箱地址吗？
confirm-address = 有人在 { $app } 账户中填写了 { $address }。
confirm-unexpected = 如果您不清楚这是怎么回事，关闭本页面即可，不会有任何影响。
confirmed-text = 您的邮箱地址已确认。
confirmed-before-heading = 地址已确认
confirmed-before-text = 您之前已确认此邮箱地址，无需再进行任何操作。
confirm-expired-heading = 此链接已过期
confirm-expired-text = 请在 { $app } 中重新获取链接。
confirm-taken-heading = 此地址已无法使用
confirm-taken-text = 此地址现已属于 { $app } 的另一个账户。您的账户保留原来的地址。
confirm-unknown-text = 链接可能不完整，或者已被更新的链接取代。请检查您打开的是否为最新邮件中的完整链接。
confirm-trouble-text = 系统暂时出现问题。您的链接不会丢失，请过几分钟再打开。
